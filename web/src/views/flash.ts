import type { FrameLoop } from "../frame-loop.js";

const FLASH_MS = 300;
/** With more at a time the fading is left out: it would repaint all of them in every frame. */
const FADING_MAX = 40;

/** A cell that flashes. */
export interface FlashCell {
  readonly element: HTMLElement;
  /** When the flash ends, in ms of performance.now(); 0 while there is none. */
  flashesUntil: number;
}

/** Marks cells whose number went up or down for a moment, by a class. */
export class Flashes {
  readonly #loop: FrameLoop;
  readonly #root: HTMLElement;
  /** Those that are lit, each once; the order is roughly that of their ends. */
  readonly #lit = new Set<FlashCell>();

  constructor(loop: FrameLoop, root: HTMLElement) {
    this.#loop = loop;
    this.#root = root;
  }

  light(cell: FlashCell, rose: boolean): void {
    const { classList } = cell.element;
    classList.toggle("rose", rose);
    classList.toggle("fell", !rose);
    cell.flashesUntil = performance.now() + FLASH_MS;
    this.#lit.add(cell);
    this.#loop.request(this.#draw);
  }

  readonly #draw = (): void => {
    const now = performance.now();
    for (const cell of this.#lit) {
      if (cell.flashesUntil > now) continue;
      cell.flashesUntil = 0;
      cell.element.classList.remove("rose", "fell");
      this.#lit.delete(cell);
    }
    this.#root.classList.toggle("busy", this.#lit.size > FADING_MAX);
    if (this.#lit.size > 0) this.#loop.request(this.#draw);
  };
}
