import { element, show } from "../dom.js";
import { REMEMBERED_MAX } from "../model/account.js";
import type { HistoryStanding } from "../wallet-history.js";

/** What stands below a history: how far it goes back, and a button to go on. */
export class HistoryFoot {
  readonly element: HTMLElement;
  readonly #note = element("span", { class: "muted", role: "status" });
  readonly #more = element("button", { type: "button", class: "quiet small" });

  /** `more` is called where older ones are asked for. */
  constructor(more: () => void) {
    this.#more.addEventListener("click", more);
    this.element = element("p", { class: "foot" }, this.#note, this.#more);
  }

  /** @param shown how many there are above */
  draw(standing: HistoryStanding, shown: number): void {
    const isFull = shown >= REMEMBERED_MAX;
    const note = noteOf(standing, shown, isFull);
    if (this.#note.textContent !== note) this.#note.textContent = note;
    const { status } = standing;
    const label = status === "failed" ? "Try again" : "Older";
    if (this.#more.textContent !== label) this.#more.textContent = label;
    show((status === "more" && !isFull) || status === "failed", this.#more);
    show(status !== "nothing", this.element);
  }
}

function noteOf(standing: HistoryStanding, shown: number, isFull: boolean): string {
  switch (standing.status) {
    case "loading":
      return "Loading…";
    case "failed":
      return `Not loaded: ${standing.why}`;
    case "more":
      return isFull ? `The latest ${REMEMBERED_MAX}` : "";
    default:
      return shown > 0 ? "That is all" : "";
  }
}
