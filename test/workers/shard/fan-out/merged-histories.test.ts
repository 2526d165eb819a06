import { expect, it } from "vitest";
import { BOOK_DEPTHS, MERGE_INTERVALS_MS } from "../../../../src/contract/limits.js";
import { type BookSide, createBook } from "../../../../src/shared/market.js";
import { Random } from "../../../../src/shared/random.js";
import { checkFanOutInvariants } from "../../../support/fan-out-invariants.js";
import { MergedModel, type MergedTerms } from "../../../support/merged-model.js";
import { drawSeed } from "../../../support/seeds.js";
import { type Client, messagesOf, ShardWorld } from "../../../support/shard-world.js";

const ID = 7;
const CLIENTS = 6;
const STEPS = 120;
/** Longer than any history takes: frames wait until something sends them on. */
const FOREVER_MS = 1e6;

interface Watcher {
  readonly client: Client;
  readonly model: MergedModel;
  terms: MergedTerms;
}

/** A shard whose clients watch one market, and a market that moves at random. */
class History {
  readonly random: Random;
  readonly world: ShardWorld;
  readonly watchers: Watcher[] = [];
  nowMs = 0;
  #middle = 5000;
  readonly #levels = { bids: new Map<number, number>(), asks: new Map<number, number>() };

  readonly #calm: boolean;

  readonly #waits: boolean;

  /**
   * @param calm every socket takes everything at once
   * @param waits frames wait for more, so that they come together and later than they are due
   */
  constructor(seed: number, calm: boolean, waits: boolean) {
    this.#calm = calm;
    this.#waits = waits;
    this.random = new Random(seed);
    const framing = { batched: true, windowBits: undefined, shift: 0 };
    this.world = new ShardWorld({
      clock: () => this.nowMs,
      ...(waits && { framing, batchDelayMs: FOREVER_MS }),
    });
    this.world.list(ID);
    this.move();
    this.world.flush();
    this.world.round();
    for (let index = 0; index < CLIENTS; index++) this.#connect(index % 3);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T;
  }

  /** Few enough that several have the same. */
  #terms(): MergedTerms {
    const intervals = MERGE_INTERVALS_MS.slice(0, 4);
    return {
      depth: this.pick(BOOK_DEPTHS),
      checksum: this.pick([true, false]),
      sizes: this.pick([true, false]),
      bookMs: this.pick(intervals),
      priceMs: this.pick(intervals),
      marketMs: this.pick(intervals.slice(1)),
    };
  }

  #connect(encoding: number): void {
    const client = this.world.connect(encoding);
    // Every other one asks for what another one has.
    const before = this.watchers.at(-1)?.terms;
    const terms = this.watchers.length % 2 === 1 && before !== undefined ? before : this.#terms();
    const model = new MergedModel(
      ID,
      terms,
      () => this.world.truth,
      () => this.nowMs,
    );
    if (this.#waits) model.keptUp = false;
    client.socket.onData = (bytes) => {
      for (const message of messagesOf(bytes, encoding, undefined, this.#waits))
        model.take(message);
    };
    const watcher = { client, model, terms };
    this.watchers.push(watcher);
    this.#subscribe(watcher);
  }

  #subscribe({ client, terms }: Watcher): void {
    const { depth, checksum, sizes, bookMs, priceMs, marketMs } = terms;
    this.world.subscribe(
      client,
      { type: "Book", params: { market_id: ID, depth, checksum, interval_ms: bookMs } },
      { type: "PriceFeed", params: { market_ids: [ID], sizes, interval_ms: priceMs } },
      { type: "Market", params: { market_id: ID, interval_ms: marketMs } },
    );
  }

  /** Asks for the same again, or for what another one has, or for anything. */
  resubscribe(watcher: Watcher): void {
    if (watcher.client.socket.congested) return;
    watcher.terms = this.pick([watcher.terms, this.pick(this.watchers).terms, this.#terms()]);
    // What is due in the old terms comes before `Subscribed`.
    const { model } = watcher;
    const take = model.take.bind(model);
    watcher.model.take = (message) => {
      if (message.type === "Subscribed") model.begin(watcher.terms);
      take(message);
    };
    this.#subscribe(watcher);
    model.take = take;
  }

  /** Changes some levels, and the quote with its sizes, or trades. */
  move(): void {
    const { random } = this;
    this.#middle += random.below(5) - 2;
    for (const [name, deeper] of [
      ["bids", -1],
      ["asks", 1],
    ] as const) {
      const side = this.#levels[name];
      const count = random.below(8) === 0 ? 120 : random.below(4);
      for (let change = 0; change < count; change++) {
        const price = this.#middle + deeper * (1 + random.below(90));
        if (random.below(3) === 0) side.delete(price);
        else side.set(price, 1 + random.below(9));
      }
      for (const price of side.keys()) if ((price - this.#middle) * deeper <= 0) side.delete(price);
    }
    const book = createBook();
    this.#fill(book.bids, this.#levels.bids, -1);
    this.#fill(book.asks, this.#levels.asks, 1);
    const { publisher } = this.world;
    const market = this.world.market(ID);
    const best = ({ length, price }: BookSide) => (length > 0 ? (price[0] as number) : null);
    const size = ({ length, quantity }: BookSide) => (length > 0 ? (quantity[0] as number) : null);
    const { bids, asks } = book;
    if (random.below(4) === 0) this.world.trade(ID, this.#middle);
    publisher.quote(market, best(bids), best(asks), size(bids), size(asks));
    publisher.book(market, book);
  }

  #fill(side: BookSide, levels: ReadonlyMap<number, number>, deeper: 1 | -1): void {
    const sorted = [...levels].sort(([a], [b]) => (a - b) * deeper);
    side.length = sorted.length;
    for (const [level, [price, quantity]] of sorted.entries()) {
      side.price[level] = price;
      side.quantity[level] = quantity;
    }
  }

  step(): void {
    const { random, world } = this;
    const watcher = this.pick(this.watchers);
    const { socket } = watcher.client;
    switch (random.below(12)) {
      case 0:
        if (this.#calm) break;
        socket.congested = true;
        watcher.model.keptUp = false;
        break;
      case 1:
      case 2:
        socket.drain();
        break;
      case 3:
        this.resubscribe(watcher);
        break;
      case 4:
        world.round({ conflating: true });
        break;
      case 5:
        if (random.below(10) === 0) this.#restart();
        break;
      default:
        for (let count = random.below(4); count > 0; count--) this.move();
        world.flush();
        this.nowMs += this.pick([0, 1, 10, 20, 60, 120]);
        world.round({ records: 1 + random.below(10) });
    }
    if (this.#waits && random.below(5) === 0) world.fanOut.flushHeld();
    checkFanOutInvariants(
      world.fanOut,
      world.counters,
      this.watchers.map(({ client }) => client.connection),
    );
  }

  #restart(): void {
    this.world.restartProducer(() => {
      this.world.list(ID);
      if (this.random.below(2) === 0) this.move();
    });
  }

  /** All that was held back is told, and each has the latest of each stream. */
  end(): void {
    const { world } = this;
    for (let turn = 0; turn < 3; turn++) {
      world.flush();
      for (const { client } of this.watchers) client.socket.drain();
      world.serve();
      this.nowMs += 1000;
      world.round();
      world.fanOut.flushHeld();
    }
    const { deepBooks, books, states, sized } = world.truth.of(ID);
    for (const { model, terms } of this.watchers) {
      expect(model.last.get("state") ?? 0).toBe(states.length);
      expect(model.last.get("top") ?? 0).toBe(books.length);
      const prices = terms.sizes ? sized.length : (states.at(-1)?.priceSeq ?? 0);
      expect(model.last.get("price") ?? 0).toBe(prices);
      // Of books that are the same at its depth it may have an earlier one, whose levels the model compared.
      const latest = deepBooks.at(-1);
      const bids = Array.from(latest?.bids.price.subarray(0, latest.bids.length) ?? []);
      const told = model.book?.bids.map(([price]) => Math.round(price * 100)) ?? [];
      expect(told).toEqual(bids.slice(0, terms.depth));
    }
  }
}

it("merged streams - clients of all terms have exactly the books, prices and states of each seq", () => {
  const began = drawSeed("merged histories");
  let updates = 0;
  let wholes = 0;
  for (let run = 0; run < 36; run++) {
    const seed = began + run;
    const history = new History(seed, run % 3 === 0, run % 4 === 1);
    try {
      for (let step = 0; step < STEPS; step++) history.step();
      history.end();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const { model } of history.watchers) {
      updates += model.updates;
      wholes += model.wholes;
    }
  }
  expect(updates).toBeGreaterThan(1500);
  expect(wholes).toBeGreaterThan(300);
});
