import { element } from "../dom.js";
import { readDecimal } from "../model/decimal.js";
import { stepped } from "../model/steps.js";

/**
 * A text field for a decimal number; the arrow keys move it by a step. No `type=number`: browsers drop
 * from such a field what they do not like, and nobody is told.
 */
export class DecimalField {
  readonly input: HTMLInputElement;
  readonly element: HTMLElement;
  readonly #note: HTMLElement;
  stepSize = 1;

  constructor(id: string, label: string) {
    this.input = element("input", {
      id,
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      "aria-describedby": `${id}-problem`,
    });
    this.#note = element("small", { id: `${id}-problem`, "aria-live": "polite" });
    this.element = element(
      "div",
      { class: "field" },
      element("label", { for: id }, label),
      this.input,
      this.#note,
    );
    this.input.addEventListener("input", () => this.say(undefined));
    this.input.addEventListener("keydown", (event) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.#step(event.shiftKey ? 10 * by : by);
    });
    this.input.addEventListener("paste", (event) => this.#onText(event, event.clipboardData));
    this.input.addEventListener("drop", (event) => this.#onText(event, event.dataTransfer));
    this.say(undefined);
  }

  /** As it was typed. */
  get typed(): string {
    return this.input.value;
  }

  /** Puts a plain decimal into the field. */
  set(decimal: string): void {
    this.input.value = decimal;
    this.say(undefined);
  }

  /** Says what is wrong with the field; or, as long as nothing is, how it is understood. */
  say(problem: string | undefined): void {
    const { decimal } = readDecimal(this.typed);
    const understood = decimal !== undefined && decimal !== this.typed.trim();
    this.#note.textContent = problem ?? (understood ? `= ${decimal}` : "");
    this.#note.className = problem === undefined ? "muted" : "problem";
    this.input.setAttribute("aria-invalid", `${problem !== undefined}`);
  }

  #step(by: number): void {
    const empty = this.typed.trim() === "";
    const { decimal, problem } = empty ? { decimal: "0" } : readDecimal(this.typed);
    // What is not understood stays as it is.
    if (decimal === undefined) return this.say(problem);
    this.input.value = stepped(decimal, this.stepSize, by);
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** The browser would join several lines, and make one number of two. */
  #onText(event: Event, data: DataTransfer | null): void {
    const lines =
      data
        ?.getData("text")
        .trim()
        .split(/[\r\n]+/) ?? [];
    if (lines.length < 2) return;
    event.preventDefault();
    this.say(`These are ${lines.length} lines: give one number`);
  }
}
