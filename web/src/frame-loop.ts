/** Runs what views have to draw, each at most once a frame, in the order in which they asked. */
export class FrameLoop {
  readonly #wanted = new Set<() => void>();
  #scheduled = false;

  /** Calls `draw` in the next frame; while the page is hidden there are none, and it waits. */
  request(draw: () => void): void {
    this.#wanted.add(draw);
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const due = [...this.#wanted];
    // What they ask for while they draw is for the frame after this one.
    this.#wanted.clear();
    for (const draw of due) draw();
  }
}
