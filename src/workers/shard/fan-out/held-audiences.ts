import { BATCH_BYTES_MAX } from "../connections/framing.js";
import type { Audience } from "./audience.js";
import { HeldFrames, type RoundStart } from "./held-frames.js";

/**
 * Audiences whose frames wait for more, to be one batch with them: for a bounded time from the first of
 * them, and until they fill a batch.
 *
 * Invariant: an audience has held frames as long as it is in here.
 */
export class HeldAudiences {
  readonly #delayMs: number;
  readonly #write: (audience: Audience, held: HeldFrames) => void;
  readonly #held = new Set<Audience>();
  #timer: NodeJS.Timeout | undefined;

  /** @param delayMs 0: nothing waits */
  constructor(delayMs: number, write: (audience: Audience, held: HeldFrames) => void) {
    this.#delayMs = delayMs;
    this.#write = write;
  }

  /** Whether an audience's frames of this round are to wait. */
  takes({ framing, held }: Audience, conflating: boolean): boolean {
    if (held !== undefined) return true;
    return this.#delayMs > 0 && framing?.batched === true && !conflating;
  }

  /**
   * Adds an audience's frames of the round to those that wait, if any.
   * @param source the buffer that they lie in
   * @param from where the round began
   * @param atOnce nothing may wait any longer
   */
  add(audience: Audience, source: Buffer, from: RoundStart, atOnce: boolean): void {
    const { states, trades, oldestTs } = audience;
    audience.held ??= new HeldFrames(from, oldestTs);
    audience.held.add(source, states, trades);
    this.#held.add(audience);
    // Those apart are known for this round only.
    if (atOnce || audience.held.length >= BATCH_BYTES_MAX || audience.apart.size > 0)
      this.flush(audience);
    else this.#timer ??= setTimeout(() => this.flushAll(), this.#delayMs);
  }

  /** Writes all that waits for more. */
  flushAll(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const audience of this.#held) this.flush(audience);
  }

  /** Writes what waits of one audience, if anything does. */
  flush(audience: Audience): void {
    const { held } = audience;
    if (held === undefined) return;
    audience.held = undefined;
    this.#held.delete(audience);
    this.#write(audience, held);
  }
}
