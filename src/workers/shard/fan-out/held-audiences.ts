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
    const isFull = audience.held.length >= BATCH_BYTES_MAX;
    if (atOnce || isFull || hasCurrentApart(audience, audience.held)) this.flush(audience);
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

/**
 * Whether some who are current cannot be told what the others are, which is known for this round only. Who
 * is not current has missed it: it does not keep the others from waiting.
 */
function hasCurrentApart({ apart }: Audience, { round, offeredBefore }: HeldFrames): boolean {
  let found = false;
  for (const member of apart) {
    if (member.current) found = true;
    else if (member.open) member.miss(round - 1, offeredBefore);
  }
  return found;
}
