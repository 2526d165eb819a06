import { type CounterSection, observeLatency } from "../../../counters/counters.js";
import { nowMicros } from "../../../shared/clock.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Audience } from "./audience.js";
import type { CatchUp } from "./catch-up.js";
import { FrameRanges } from "./frame-ranges.js";
import type { RoundStart } from "./held-frames.js";
import { LentFrames } from "./lent-frames.js";
import type { Mirror } from "./mirror.js";
import type { TradeReplays } from "./trade-replays.js";

/** Sockets written between two looks at the clock, for the latency histogram. */
const WRITES_PER_CLOCK_READ = 64;

/**
 * Writes an audience's frames to its members: to those that are current one buffer that all of them share,
 * to the others what they are due, or a note that they missed it.
 */
export class AudienceWriter {
  readonly #counters: CounterSection;
  readonly #catchUp: CatchUp;
  readonly #trades: TradeReplays;
  readonly #lent = new LentFrames();

  constructor(counters: CounterSection, catchUp: CatchUp, trades: TradeReplays) {
    this.#counters = counters;
    this.#catchUp = catchUp;
    this.#trades = trades;
  }

  /**
   * Writes an audience's frames, of the round or of some rounds.
   * @param source the buffer that they lie in
   * @param from where the first of the rounds began
   * @param conflating states that changed are told as they are now
   */
  write(
    audience: Audience,
    { states, trades, oldestTs }: Pick<Audience, "states" | "trades" | "oldestTs">,
    source: Buffer,
    { round, offeredBefore, tradesFrom }: RoundStart,
    conflating: boolean,
    mirror: Mirror,
  ): void {
    let gathered = false;
    let tradesOnly: FrameBatch | undefined;
    let statesOnly: FrameBatch | undefined;
    let written = 0;
    for (const member of audience.members) {
      if (!member.open) continue;
      // What is replayed to it includes these trades.
      const tradesDue = trades.messages > 0 && member.replay === undefined;
      if (!conflating && member.current && !audience.apart.has(member)) {
        if (trades.messages === 0 || tradesDue) {
          if (!gathered) this.#gather(audience, source, states, trades);
          gathered = true;
          member.writeLent(this.#lent);
        } else {
          statesOnly ??= FrameRanges.concat(source, states);
          member.writeAll([statesOnly]);
        }
      } else {
        if (audience.offered > offeredBefore) member.miss(round - 1, offeredBefore);
        if (tradesDue && member.blocked) this.#trades.fallBehind(member, audience, tradesFrom);
        else if (tradesDue) tradesOnly ??= FrameRanges.concat(source, trades);
        if (member.waiting) {
          this.#catchUp.countMissed(member, audience);
          // Trades have no first data, so one that waits for its turn only need not wait for them.
          if (!tradesDue || tradesOnly === undefined || member.blocked) continue;
          member.writeAll([...member.takeQueue(), tradesOnly]);
          continue;
        }
        this.#catchUp.send(member, mirror, tradesDue ? tradesOnly : undefined);
      }
      if (++written % WRITES_PER_CLOCK_READ === 0) this.#observe(oldestTs, WRITES_PER_CLOCK_READ);
    }
    this.#observe(oldestTs, written % WRITES_PER_CLOCK_READ);
    if (gathered) this.#lent.release();
  }

  #gather(
    { framing, encoding }: Audience,
    source: Buffer,
    states: FrameRanges,
    trades: FrameRanges,
  ): void {
    const lent = this.#lent;
    lent.gather(source, states, trades);
    if (framing !== undefined) lent.reframe(framing.write(lent.buffer, lent.length, encoding));
  }

  #observe(oldestTs: number, writes: number): void {
    if (writes === 0) return;
    // A ts that waits for the clock is ahead of it.
    const ageS = Math.max(0, nowMicros() - oldestTs) / 1e6;
    observeLatency(this.#counters, ageS, writes);
  }
}
