import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BroadcastTransmitter, createRingBuffer } from "../../src/ring/broadcast-transmitter.js";
import { HistoryReader } from "../../src/ring/history-reader.js";
import { RECORD, RING_CAPACITY_MIN } from "../../src/ring/layout.js";
import { readTrade, tradeBytes, writeTrade } from "../../src/ring/records.js";
import { StreamWalk } from "../../src/ring/stream-walk.js";

interface Written {
  readonly slot: number;
  readonly seq: number;
  readonly ts: number;
  readonly position: number;
  readonly tradeId: string;
}

const SLOTS = 4;

/** A ring of trades of some markets, with everything that was ever written to it. */
class Trades {
  readonly buffer = createRingBuffer(RING_CAPACITY_MIN);
  readonly reader = new HistoryReader(this.buffer);
  readonly written: Written[] = [];
  readonly #transmitter = new BroadcastTransmitter(this.buffer);
  readonly #newest: (Written | undefined)[] = Array.from({ length: SLOTS });
  #ts = 1000;

  write(slot: number, idLength: number, wait: number): void {
    this.#ts += wait;
    const before = this.#newest[slot];
    const seq = (before?.seq ?? 0) + 1;
    const tradeId = `${seq}`.padEnd(idLength, ".").slice(0, 64);
    const id = Buffer.from(tradeId);
    const ts = this.#ts;
    const offset = this.#transmitter.claimLinked(
      RECORD.trade,
      tradeBytes(id.length),
      before?.position ?? -1,
      ts,
    );
    const { position } = this.#transmitter;
    writeTrade(
      this.#transmitter.words,
      offset,
      { slot, seq, price: seq, quantity: 1, takerSide: "Buy", ts },
      id,
    );
    this.#transmitter.publish();
    const one = { slot, seq, ts, position, tradeId };
    this.#newest[slot] = one;
    this.written.push(one);
  }

  of(slot: number): readonly Written[] {
    return this.written.filter((one) => one.slot === slot);
  }

  newest(slot: number): Written | undefined {
    return this.#newest[slot];
  }

  walk(slot: number, end: { ts: number } | { position: number }, steps: number): StreamWalk {
    const walk = new StreamWalk(this.reader, this.newest(slot), this.reader.tail, end);
    for (let step = 0; walk.state === "going" && step < 1e6; step++) walk.step(steps);
    return walk;
  }

  /** Reads a stream forward by its links. */
  follow(start: number): Written[] | "lost" {
    const { reader } = this;
    const read: Written[] = [];
    reader.refresh();
    for (let at = start; ; at += reader.next) {
      if (!reader.read(at >>> 0)) return "lost";
      const { slot, seq, ts, tradeId } = readTrade(reader.words, reader.offset);
      read.push({ slot, seq, ts, tradeId, position: at });
      if (reader.next === 0) return read;
    }
  }
}

const writes = fc.array(
  fc.record({
    slot: fc.constantFrom(0, 0, 0, 0, 0, 1, 1, 2, 3),
    idLength: fc.integer({ min: 1, max: 64 }),
    wait: fc.nat(3),
    times: fc.constantFrom(1, 2, 5, 40),
  }),
  { minLength: 1, maxLength: 300, size: "max" },
);

describe("history reader", () => {
  it("history reader - a stream is walked back and read forward to exactly what was written, or is lost", () => {
    let lost = 0;
    let whole = 0;
    fc.assert(
      fc.property(writes, fc.nat(), fc.integer({ min: 1, max: 50 }), (all, choice, steps) => {
        const trades = new Trades();
        for (const { slot, idLength, wait, times } of all)
          for (let time = 0; time < times; time++) trades.write(slot, idLength, wait);
        const { written, reader } = trades;
        const since = (written[choice % written.length] as Written).ts;
        for (let slot = 0; slot < SLOTS; slot++) {
          const due = trades.of(slot).filter(({ ts }) => ts >= since);
          const walk = trades.walk(slot, { ts: since }, steps);
          if (walk.state === "lost") {
            // Something that may be due has really been overwritten, or is about to be.
            const oldest = reader.oldest();
            expect(oldest === undefined || oldest.ts >= since).toBe(true);
            lost++;
            continue;
          }
          expect([walk.state, walk.count]).toEqual(["found", due.length]);
          if (walk.start === undefined) continue;
          expect(trades.follow(walk.start)).toEqual(due);
          whole++;
          const [first] = due as [Written];
          expect(trades.walk(slot, { position: first.position }, steps).start).toBe(walk.start);
        }
      }),
      { numRuns: 150 },
    );
    expect(lost).toBeGreaterThan(5);
    expect(whole).toBeGreaterThan(50);
  });

  it("history reader - the index leads to a record before a ts, and none that it has is gone", () => {
    fc.assert(
      fc.property(writes, fc.nat(), (all, choice) => {
        const trades = new Trades();
        for (const { slot, idLength, wait, times } of all)
          for (let time = 0; time < times; time++) trades.write(slot, idLength, wait);
        const { written, reader } = trades;
        const { ts } = written[choice % written.length] as Written;
        const found = reader.before(ts);
        const oldest = reader.oldest();
        for (const entry of [found, oldest]) {
          const one = written[entry?.number ?? -1];
          expect(entry).toMatchObject({ position: one?.position, ts: one?.ts });
        }
        expect((found?.ts ?? 0) < ts || found?.number === oldest?.number).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("history reader - one that was overwritten is never taken for a good one, wherever its number lies", () => {
    const trades = new Trades();
    trades.write(1, 10, 1);
    const first = trades.newest(1) as Written;
    expect(trades.follow(first.position)).toEqual([first]);
    while (trades.written.length < 2000) trades.write(0, 64, 1);
    expect(trades.follow(first.position)).toBe("lost");
    expect(trades.reader.peek(first.position)).toBe(false);
    // Nothing of the market since, though the record itself is gone.
    expect(trades.walk(1, { ts: first.ts + 1500 }, 10)).toMatchObject({ state: "found", count: 0 });
    expect(trades.walk(1, { ts: first.ts }, 10).state).toBe("lost");
    // Another record stands where the newest is said to be.
    const { position } = trades.newest(0) as Written;
    const { reader } = trades;
    const walk = new StreamWalk(reader, { position, slot: 1, seq: 1 }, reader.tail, {
      ts: first.ts,
    });
    walk.step(10);
    expect(walk.state).toBe("lost");
  });
});
