import type { SystemState } from "../counters/system-state.js";

/**
 * What main knows of the server's state, with the reasons for anything but "ok". Tells its listener
 * of every change.
 */
export class SystemHealth {
  readonly #version: string;
  readonly #startedAt = Date.now();
  readonly #changed: (system: SystemState) => void;
  /** By source, so that a source's new reason replaces its old one. */
  readonly #reasons = new Map<string, string>();
  #draining = false;

  constructor(version: string, changed: (system: SystemState) => void) {
    this.#version = version;
    this.#changed = changed;
  }

  get system(): SystemState {
    return {
      state: this.#draining ? "draining" : this.#reasons.size > 0 ? "degraded" : "ok",
      reasons: [...this.#reasons.values()],
      version: this.#version,
      startedAt: this.#startedAt,
    };
  }

  /** Notes why a source is not well, or with undefined that it is again. */
  report(source: string, reason: string | undefined): void {
    if (this.#reasons.get(source) === reason) return;
    if (reason === undefined) this.#reasons.delete(source);
    else this.#reasons.set(source, reason);
    this.#changed(this.system);
  }

  drain(): void {
    this.#draining = true;
    this.#changed(this.system);
  }
}
