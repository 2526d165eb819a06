import { byId, element } from "../dom.js";

const SECTIONS = [
  ["markets", "Markets", "M4 6h16M4 12h16M4 18h10"],
  ["chart", "Chart", "M4 18l5-6 4 3 7-9"],
  ["book", "Book", "M4 6h8M4 10h12M4 14h14M4 18h6"],
  ["trade", "Trade", "M7 4v16M7 4L3.500 8M7 4l3.500 4M17 20V4M17 20l-3.500-4M17 20l3.500-4"],
  ["orders", "Orders", "M6 4h12v16H6zM9 9h6M9 13h6"],
] as const;
export type Section = (typeof SECTIONS)[number][0];

const SVG = "http://www.w3.org/2000/svg";

function icon(path: string): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** Whether there is room for one part only; as in the style sheet. */
function onPhone(): boolean {
  return matchMedia("(max-width: 760px), (max-width: 1180px) and (max-height: 480px)").matches;
}

/** The parts of the page one at a time, where there is no room for all of them. */
export class Sections {
  readonly #desk = byId("desk");
  readonly #buttons = new Map<Section, HTMLButtonElement>();

  constructor() {
    for (const [section, label, path] of SECTIONS) {
      const button = element(
        "button",
        { type: "button", "data-section": section },
        icon(path),
        element("span", {}, label),
      );
      button.addEventListener("click", () => this.show(section));
      this.#buttons.set(section, button);
      byId("sections").append(button);
    }
    this.show(onPhone() ? "markets" : "book");
  }

  /** A market was picked: from a list that fills the page, go on to what it is about. */
  leaveMarkets(): void {
    if (onPhone()) this.show("chart");
  }

  show(section: Section): void {
    this.#desk.dataset["section"] = section;
    for (const [name, button] of this.#buttons) {
      if (name === section) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }
}
