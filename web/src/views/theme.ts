import { byId } from "../dom.js";

const STORED = "marketcast.theme";
const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

/** A colour of the style sheet as it is in the present theme. */
export function themeColor(name: string): string {
  const { body } = document;
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Light, dark, or as the system has it; remembered by the browser. */
export class ThemeSwitch {
  readonly #button = byId<HTMLButtonElement>("theme");
  readonly #changed: () => void;
  #theme: Theme;

  constructor(changed: () => void) {
    this.#changed = changed;
    const stored = localStorage.getItem(STORED);
    this.#theme = THEMES.find((theme) => theme === stored) ?? "auto";
    this.#button.addEventListener("click", () => this.#next());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
    this.#apply();
  }

  #next(): void {
    this.#theme = THEMES[(THEMES.indexOf(this.#theme) + 1) % THEMES.length] as Theme;
    localStorage.setItem(STORED, this.#theme);
    this.#apply();
    this.#changed();
  }

  #apply(): void {
    const { dataset } = document.documentElement;
    if (this.#theme === "auto") delete dataset["theme"];
    else dataset["theme"] = this.#theme;
    const label = `Theme: ${this.#theme === "auto" ? "as the system" : this.#theme}`;
    this.#button.setAttribute("aria-label", label);
    this.#button.title = label;
  }
}
