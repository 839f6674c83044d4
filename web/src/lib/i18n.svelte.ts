// Texts in Kazakh, Russian and English, from the same Fluent files as the server's.
import { FluentBundle, FluentResource, type FluentVariable } from "@fluent/bundle";

export const LANGUAGES = { kk: "Қазақша", ru: "Русский", en: "English" } as const;
export type Language = keyof typeof LANGUAGES;
export type Names = Record<Language, string>;

const FILES = import.meta.glob<string>("../../../i18n/*/{web,words,forensics}.ftl", { query: "?raw", import: "default" });
const KEPT = "language";
/** Many browsers know Kazakh by name alone: its numbers look as the Russian ones, its dates are put together here. */
const KAZAKH = /мау/i.test(new Intl.DateTimeFormat("kk", { month: "long" }).format(new Date(2019, 5, 9)));

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
    return new Intl.NumberFormat(this.language === "kk" && !KAZAKH ? "ru" : this.language).format(n);
  }

  /** A local date, `2019-06-09`, which has no time zone. */
  day(date: string, form: "short" | "long" = "long"): string {
    if (this.language === "kk" && !KAZAKH) {
      const [year, month, day] = date.split("-").map(Number);
      return form === "long" ? `${year} ж. ${day} ${this.text(`month-${month}`)}` : `${day} ${this.text(`month-short-${month}`)}`;
    }
    const options: Intl.DateTimeFormatOptions =
      form === "long"
        ? { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }
        : { day: "numeric", month: "short", timeZone: "UTC" };
    return new Intl.DateTimeFormat(this.language, options).format(new Date(`${date}T00:00:00Z`));
  }

  moment(at: string | number): string {
    if (this.language === "kk" && !KAZAKH) {
      const local = new Date(at);
      const two = (n: number): string => String(n).padStart(2, "0");
      const date = `${local.getFullYear()}-${two(local.getMonth() + 1)}-${two(local.getDate())}`;
      return `${this.day(date)}, ${two(local.getHours())}:${two(local.getMinutes())}`;
    }
    return new Intl.DateTimeFormat(this.language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
  }
}

export const texts = new Texts();
export const t = (key: string, args?: Record<string, FluentVariable>): string => texts.text(key, args);
