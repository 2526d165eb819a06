/** Longest delay that setTimeout takes, in milliseconds; beyond it, it fires at once. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** One timer that can be set anew and cleared, for any delay. */
export class Alarm {
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Calls `task` in `delayMs`, instead of whatever it was set for. */
  set(delayMs: number, task: () => void): void {
    this.clear();
    if (delayMs <= TIMEOUT_MS_MAX) {
      this.#timer = setTimeout(task, Math.max(0, delayMs));
    } else {
      this.#timer = setTimeout(() => this.set(delayMs - TIMEOUT_MS_MAX, task), TIMEOUT_MS_MAX);
    }
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
