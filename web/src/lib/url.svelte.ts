// Filters live in the URL (`#/path?name=value`), so that a link shows what its sender saw.
import { push, router } from "svelte-spa-router";

export const querystring = {
  get(name: string): string | null {
    return new URLSearchParams(router.querystring ?? "").get(name);
  },

  set(name: string, value: string | null): void {
    this.setAll({ [name]: value });
  },

  setAll(values: Record<string, string | null>): void {
    const params = new URLSearchParams(router.querystring ?? "");
    for (const [name, value] of Object.entries(values)) {
      if (value) params.set(name, value);
      else params.delete(name);
    }
    const text = params.toString();
    void push(router.location + (text ? `?${text}` : ""));
  },
};
