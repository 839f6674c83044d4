// Texts in Kazakh, Russian and English, from the same Fluent files as the server's.
import { FluentBundle, FluentResource, type FluentVariable } from "@fluent/bundle";

export const LANGUAGES = { kk: "Қазақша", ru: "Русский", en: "English" } as const;
export type Language = keyof typeof LANGUAGES;
export type Names = Record<Language, string>;

const FILES = import.meta.glob<string>("../../../i18n/*/{web,words,forensics}.ftl", { query: "?raw", import: "default" });
const KEPT = "language";

function liked(): Language {
  const codes = [localStorage.getItem(KEPT) ?? "", ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return (codes.find((code) => code in LANGUAGES) as Language | undefined) ?? "kk";
}

class Texts {
  language = $state<Language>(liked());
  #bundle = $state.raw<FluentBundle>();

  async choose(language: Language): Promise<void> {
    localStorage.setItem(KEPT, language);
    const bundle = new FluentBundle(language, { useIsolating: false });
    for (const name of ["web", "words", "forensics"]) {
      const load = FILES[`../../../i18n/${language}/${name}.ftl`];
      if (load) bundle.addResource(new FluentResource(await load()));
    }
    this.#bundle = bundle;
    this.language = language;
    document.documentElement.lang = language;
  }

  text(key: string, args?: Record<string, FluentVariable>): string {
    const message = this.#bundle?.getMessage(key);
    return message?.value ? this.#bundle!.formatPattern(message.value, args) : key;
  }

  number(n: number): string {
    return new Intl.NumberFormat(this.language).format(n);
  }

  /** A local date, `2019-06-09`, which has no time zone. */
  day(date: string, form: "short" | "long" = "long"): string {
    const options: Intl.DateTimeFormatOptions =
      form === "long"
        ? { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }
        : { day: "numeric", month: "short", timeZone: "UTC" };
    return new Intl.DateTimeFormat(this.language, options).format(new Date(`${date}T00:00:00Z`));
  }

  moment(at: string | number): string {
    return new Intl.DateTimeFormat(this.language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
  }
}

export const texts = new Texts();
export const t = (key: string, args?: Record<string, FluentVariable>): string => texts.text(key, args);
