import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import {
  counted,
  counterBlockOf,
  createCounterBuffer,
  PRODUCER,
} from "../../src/counters/counters.js";
import type { Exchange } from "../../src/exchange/exchange.js";
import { openExchange } from "../../src/exchange/open-exchange.js";
import { MarketWriter } from "../../src/market-data/market-writer.js";
import { PositionClock } from "../../src/market-data/position-clock.js";
import { Publisher } from "../../src/market-data/publisher.js";
import { createMarketMemory } from "../../src/ring/market-memory.js";
import { publishedMark } from "../../src/ring/published-mark.js";
import { createLogger } from "../../src/shared/log.js";
import { Random } from "../../src/shared/random.js";
import { Store } from "../../src/store/store.js";
import { storeDirectory } from "../../src/store/store-file.js";
import { KEEP_ALL, temporaryDirectory } from "../store/directories.js";
import { HandClocks } from "../support/hand-clocks.js";
import { drawSeed } from "../support/seeds.js";
import { OPTIONS } from "./exchange-world.js";
import { ShardEnd } from "./shard-end.js";

const SECOND = 1_000_000;
const SIZES = {
  ringSize: 1 << 20,
  tradeRingSize: 1 << 20,
  maxMarkets: 64,
  maxTitleBytes: 256,
  bookDepth: 50,
};
const HISTORIES = 3;
const STEPS = 80;
/** How far clocks are set, in seconds: so that they catch up now and then, or for moments by a year. */
const JUMPS_S = [1, 20, 200];
const YEAR = 365 * 86_400 * SECOND;
const MARKETS = [1001, 1002].map((market_id) => ({
  market_id,
  title: `Market ${market_id}`,
  status: "Active",
  tick_size: 0.01,
  lot_size: 1,
}));

interface Told {
  readonly ts: number;
  readonly what: string;
  /** Of a trade. */
  readonly id?: string;
}

afterEach(() => void vi.restoreAllMocks());

/** Clocks by which each reading takes some time. */
class TickingClocks extends HandClocks {
  override readonly now = (): number => {
    this.pass(7);
    return this.wall;
  };
}

/** What happens between a commit's being on disk and the exchange's hearing of it. */
let onCommit = (): void => {};

function spyOnCommits(): void {
  const { commit } = Store.prototype;
  vi.spyOn(Store.prototype, "commit").mockImplementation(async function (this: Store, ...of) {
    await commit.apply(this, of);
    onCommit();
  });
}

/**
 * Everything that readers of rings are shown from now on, over all producers that begin from now on, in its order:
 * whoever lives on in this process from before is none of them.
 */
function tellAll(): readonly Told[] {
  const told: Told[] = [];
  const begun = new WeakSet<MarketWriter>();
  const written = new WeakMap<MarketWriter, Told[]>();
  const { list, state, book, trade, publish } = MarketWriter.prototype;
  const note = (writer: MarketWriter, one: Told): void => {
    if (begun.has(writer)) written.set(writer, [...(written.get(writer) ?? []), one]);
  };
  vi.spyOn(MarketWriter.prototype, "list").mockImplementation(function (this: MarketWriter, ...of) {
    if (this.listed === 0) begun.add(this);
    note(this, { what: "listing", ts: of[2].ts });
    list.apply(this, of);
  });
  vi.spyOn(MarketWriter.prototype, "state").mockImplementation(function (this: MarketWriter, of) {
    // Of the stream of states, that of prices with their sizes, or both.
    note(this, { what: "state", ts: Math.max(of.ts, of.sizedTs) });
    state.call(this, of);
  });
  vi.spyOn(MarketWriter.prototype, "book").mockImplementation(function (this: MarketWriter, ...of) {
    note(this, { what: "book", ts: of[1].ts });
    book.apply(this, of);
  });
  vi.spyOn(MarketWriter.prototype, "trade").mockImplementation(function (
    this: MarketWriter,
    ...of
  ) {
    note(this, { what: "trade", ts: of[0].ts, id: Buffer.from(of[1]).toString() });
    trade.apply(this, of);
  });
  vi.spyOn(MarketWriter.prototype, "publish").mockImplementation(function (this: MarketWriter) {
    told.push(...(written.get(this) ?? []));
    written.delete(this);
    publish.call(this);
  });
  return told;
}

/** A publisher that tells nothing more once it is dead, whatever it is given. */
class MortalPublisher extends Publisher {
  dead = false;

  override storedTrade(...of: Parameters<Publisher["storedTrade"]>): void {
    if (!this.dead) super.storedTrade(...of);
  }

  override quote(...of: Parameters<Publisher["quote"]>): void {
    if (!this.dead) super.quote(...of);
  }

  override book(...of: Parameters<Publisher["book"]>): void {
    if (!this.dead) super.book(...of);
  }

  override flush(): void {
    if (!this.dead) super.flush();
  }
}

/** What outlives the producers of a server. */
interface ServerLife {
  readonly counters: Float64Array;
  lastTrade: number | undefined;
}

const newServer = (): ServerLife => ({
  counters: counterBlockOf(createCounterBuffer(1)).producer,
  lastTrade: undefined,
});

/** An exchange as the producer's thread runs it. */
class Producer {
  readonly shard = new ShardEnd();
  readonly #publisher: MortalPublisher;
  readonly #memory;
  readonly #server: ServerLife;
  readonly #stop = new AbortController();
  /** What lets out books that wait for their interval. */
  readonly #timers: (() => void)[] = [];
  #running: Promise<void> = Promise.resolve();

  private constructor(server: ServerLife, position: PositionClock) {
    this.#server = server;
    this.#memory = createMarketMemory("epoch", SIZES);
    this.#publisher = new MortalPublisher(this.#memory, server.counters, {
      bookIntervalMs: 5000,
      now: position.tell,
      defer: setImmediate,
      setTimer: (task) => void this.#timers.push(task),
      reject: (kind, message) => {
        throw new Error(`${kind}: ${message}`);
      },
    });
  }

  static async start(dataDir: string, server: ServerLife, clocks: HandClocks): Promise<Producer> {
    const { counters, lastTrade } = server;
    const position = new PositionClock(clocks, counted(counters, PRODUCER.latestTs));
    const producer = new Producer(server, position);
    const exchange: Exchange = await openExchange(
      {
        options: { ...OPTIONS, dataDir, marketsFile: join(dataDir, "markets.json") },
        run: "run",
        lastTrade,
        counters,
        position,
        log: createLogger({ level: "silent", format: "json" }, {}),
        storeHealth: () => {},
      },
      producer.#publisher,
    );
    producer.#publisher.flush();
    exchange.attach(0, producer.shard.port);
    producer.#running = exchange.run(producer.#stop.signal);
    return producer;
  }

  /** Lets the books out that wait. */
  ring(): void {
    if (this.#publisher.dead) return;
    for (const task of this.#timers.splice(0)) task();
  }

  /** From now on it tells nothing; what it stores is stored. */
  die(): void {
    this.#publisher.dead = true;
    this.#server.lastTrade = publishedMark(this.#memory.tradeRing);
  }

  /** Resolves when the store is free for another. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.shard.close();
    // What it told with its last breath.
    await turn();
    if (!this.#publisher.dead) this.die();
  }
}

/** Orders of both sides at random prices, so that some trade, and their answers. */
async function trade({ shard }: Producer, random: Random): Promise<void> {
  const orders = Array.from({ length: 1 + random.below(4) }, () =>
    shard.place(`w${random.below(4)}`, {
      market_id: 1001 + random.below(2),
      side: random.below(2) === 0 ? "Buy" : "Sell",
      price: (40 + random.below(6)) / 100,
      quantity: 1 + random.below(3),
    }),
  );
  shard.send(...orders);
  for (const order of orders) await shard.answer(order);
  // Now and then what is told of it goes on while the next is on its way to the disk.
  if (random.below(2) === 0) await turn();
}

async function history(seed: number) {
  const random = new Random(seed);
  const dataDir = temporaryDirectory();
  await writeFile(join(dataDir, "markets.json"), JSON.stringify(MARKETS));
  const clocks = new TickingClocks();
  onCommit = () => {};
  let server = newServer();
  let producer = await Producer.start(dataDir, server, clocks);
  onCommit = () => {
    clocks.pass(1000);
    producer.ring();
  };
  let deaths = 0;
  let restarts = 0;
  for (let step = 0; step < STEPS; step++) {
    await trade(producer, random);
    if (random.below(3) === 0) clocks.pass(random.below(100) * SECOND);
    if (random.below(2) === 0) producer.ring();
    await turn();
    const jump = SECOND * (JUMPS_S[random.below(JUMPS_S.length)] as number);
    if (random.below(4) === 0) clocks.wall += random.below(2) === 0 ? jump : -jump;
    if (random.below(20) === 0) {
      clocks.wall += YEAR;
      await trade(producer, random);
      clocks.wall -= YEAR;
    }
    if (random.below(5) > 0) continue;
    // The last that is told is of no commit, and then the clock is set back.
    if (random.below(2) === 0) {
      clocks.pass(5 * SECOND);
      producer.ring();
      await turn();
      clocks.wall -= 10 * SECOND;
    }
    // It dies with all told that is stored, or with something untold.
    if (random.below(2) === 0) {
      producer.die();
      await trade(producer, random);
    }
    await producer.end();
    if (random.below(2) === 0) {
      restarts++;
      server = newServer();
    } else deaths++;
    producer = await Producer.start(dataDir, server, clocks);
  }
  await producer.end();
  const store = await Store.open(storeDirectory(dataDir), KEEP_ALL);
  const stored = new Map(store.tradesAfter(0).map(({ tradeId, ts }) => [String(tradeId), ts]));
  await store.close();
  return { deaths, restarts, stored };
}

it("position histories - ts never decreases over clocks that are set, producers that die and servers that restart; trades are told as stored", async () => {
  const told = tellAll();
  spyOnCommits();
  let [deaths, restarts] = [0, 0];
  for (let count = 0; count < HISTORIES; count++) {
    const seed = drawSeed(`position histories ${count}`) % 1_000_000;
    const from = told.length;
    const made = await history(seed).catch((cause: unknown) => {
      throw new Error(`the history of seed ${seed} broke off`, { cause });
    });
    deaths += made.deaths;
    restarts += made.restarts;
    const ofHistory = told.slice(from);
    const decreases = ofHistory.flatMap((one, at) => {
      const before = ofHistory[at - 1];
      return before !== undefined && one.ts < before.ts ? [{ at, before, one }] : [];
    });
    const trades = ofHistory.filter(({ what }) => what === "trade");
    const differing = trades.filter(({ id, ts }) => made.stored.get(id as string) !== ts);
    expect({ seed, decreases, differing }).toEqual({ seed, decreases: [], differing: [] });
    // None is told twice.
    expect({ seed, ids: new Set(trades.map(({ id }) => id)).size }).toEqual({
      seed,
      ids: trades.length,
    });
    expect(trades.length).toBeGreaterThan(10);
  }
  expect(deaths).toBeGreaterThan(0);
  expect(restarts).toBeGreaterThan(0);
}, 60_000);
