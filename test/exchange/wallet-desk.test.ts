import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../src/shared/random.js";
import type { ContractFill, ContractOrder } from "../../src/store/contract-form.js";
import type {
  ExchangeNews,
  ExchangeRequest,
  ReplayFrom,
  WalletQuestion,
} from "../../src/workers/messages.js";
import { temporaryDirectory } from "../store/directories.js";
import { drawSeed } from "../support/seeds.js";
import { until } from "../support/until.js";
import { ExchangeWorld } from "./exchange-world.js";
import type { ShardEnd } from "./shard-end.js";

const NO_SPACE = new Error("no space left on the device");
const SEED = drawSeed("wallet desk");
const PAGE = { marketId: undefined, before: undefined, limit: 100 };

let dir: string;
let numbers = 1_000_000;
beforeEach(() => {
  dir = temporaryDirectory();
});

type Numbered = Extract<ExchangeRequest, { readonly request: number }>;
type NewsOf<T extends ExchangeNews["type"]> = Extract<ExchangeNews, { readonly type: T }>;

const question = (asked: WalletQuestion): Numbered => ({ ...asked, request: ++numbers });
const getOrder = (wallet: string | undefined, order_id: string): Numbered =>
  question({ type: "get-order", wallet, order: { order_id } });
const ordersOf = (wallet: string, more = {}): Numbered =>
  question({ type: "orders", wallet, ...PAGE, statuses: [], ...more });
const fillsOf = (wallet: string, more = {}): Numbered =>
  question({ type: "fills", wallet, ...PAGE, orderId: undefined, ...more });
const replay = (wallet: string, from: ReplayFrom, promised = true): Numbered => ({
  type: "replay",
  request: ++numbers,
  wallet,
  from,
  promised,
});
const recover = (wallet: string, since: number, max = 1000): Numbered => ({
  type: "recover",
  request: ++numbers,
  wallet,
  since,
  max,
});

async function pageOf(shard: ShardEnd, request: Numbered): Promise<NewsOf<"page">> {
  const answer = await shard.ask(request);
  if (answer.type !== "page") throw new Error(`no page: ${JSON.stringify(answer)}`);
  return answer;
}

/** All of a wallet's orders, or fills, in pages of so many. */
async function allOf<T>(
  shard: ShardEnd,
  requestOf: (before: number | undefined) => Numbered,
  itemsOf: (page: NewsOf<"page">) => readonly T[],
): Promise<T[]> {
  const all: T[] = [];
  for (let before: number | undefined, done = false; !done; ) {
    const page = await pageOf(shard, requestOf(before));
    all.push(...itemsOf(page));
    before = page.next;
    done = before === undefined;
  }
  return all;
}

const idsOf = (orders: readonly ContractOrder[]): string[] => orders.map((one) => one.order_id);

describe("wallet desk", () => {
  it("wallet desk - an order is found as it stands, open, finished or over a restart, by its wallet alone", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const ask = await shard.placed("w1", { side: "Sell", quantity: 3, client_order_id: "mine" });
    expect(await shard.ask(getOrder("w1", ask.order_id))).toMatchObject({
      order: ask,
      changed: false,
    });
    await shard.placed("w2", { quantity: 3 });
    const { order_id } = ask;
    const filled = { order_id, client_order_id: "mine", status: "Filled", filled_quantity: 3 };
    const byName = { type: "get-order", order: { client_order_id: "mine" } } as const;
    const look = async (at: ShardEnd): Promise<void> => {
      expect(await at.ask(getOrder("w1", ask.order_id))).toMatchObject({ order: filled });
      expect(await at.ask(getOrder(undefined, ask.order_id))).toMatchObject({ order: filled });
      const own = { ...byName, wallet: "w1" };
      expect(await at.ask(question(own))).toMatchObject({ order: { order_id: ask.order_id } });
      for (const missing of [
        getOrder("w2", ask.order_id),
        getOrder("w1", "999"),
        getOrder("w1", "no number"),
        question({ ...byName, wallet: "w2" }),
        question({ ...byName, wallet: undefined }),
      ])
        expect(await at.ask(missing)).toMatchObject({ refusal: { code: "ORDER_NOT_FOUND" } });
    };
    await look(shard);
    await world.stop();
    await look((await ExchangeWorld.start(dir, "run-2")).shard());
  });

  it("wallet desk - what is asked behind an order in one message knows of it, when it is on disk and not before", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    world.store.hold();
    const order = shard.place("w1", { client_order_id: "c" });
    const [page, get] = [ordersOf("w1"), getOrder("w1", "1")];
    shard.send(order, page, get);
    await until("the commit", () => world.store.waiting > 0 || undefined);
    await world.quiet();
    expect(shard.news).toEqual([]);
    world.store.release();
    expect(await shard.answer(page)).toMatchObject({ items: { orders: [{ order_id: "1" }] } });
    expect(await shard.answer(get)).toMatchObject({ order: { order_id: "1" } });
    expect(await shard.answer(order)).toMatchObject({ order: { order_id: "1" } });
    // Of one that is undone nobody hears.
    world.store.failure = NO_SPACE;
    const lost = shard.place("w1");
    const [again, none] = [ordersOf("w1"), getOrder("w1", "2")];
    shard.send(lost, again, none);
    expect(await shard.answer(lost)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    expect(await shard.answer(again)).toMatchObject({ items: { orders: [{ order_id: "1" }] } });
    expect(await shard.answer(none)).toMatchObject({ refusal: { code: "ORDER_NOT_FOUND" } });
  });

  it("wallet desk - pages are the newest first, bounded, and go on where the last one ended whatever happens between", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const placed: ContractOrder[] = [];
    for (let at = 0; at < 12; at++)
      placed.push(await shard.placed("w1", { side: "Sell", price: (60 + at) / 100, quantity: 2 }));
    await shard.placed("w2", { price: 0.65, quantity: 9 });
    const first = await pageOf(shard, ordersOf("w1", { limit: 5 }));
    const newest = idsOf(placed).toReversed();
    expect(idsOf(first.items.orders ?? [])).toEqual(newest.slice(0, 5));
    // A new one, and one that ends, move nothing.
    await shard.placed("w1", { price: 0.1 });
    await shard.ask(shard.cancel("w1", { order_id: newest[6] as string }));
    const second = await pageOf(shard, ordersOf("w1", { limit: 5, before: first.next }));
    expect(idsOf(second.items.orders ?? [])).toEqual(newest.slice(5, 10));
    const third = await pageOf(shard, ordersOf("w1", { limit: 5, before: second.next }));
    expect([idsOf(third.items.orders ?? []), third.next]).toEqual([newest.slice(10), undefined]);
    const exact = await pageOf(shard, ordersOf("w1", { limit: 2, before: second.next }));
    expect([exact.items.orders?.length, exact.next]).toEqual([2, undefined]);
    const filled = await pageOf(shard, ordersOf("w1", { statuses: ["Filled", "PartiallyFilled"] }));
    expect(filled.items.orders?.map(({ status }) => status)).toEqual([
      "PartiallyFilled",
      ...Array(4).fill("Filled"),
    ]);
    expect((await pageOf(shard, ordersOf("w1", { marketId: 2 }))).items).toEqual({ orders: [] });
    const fills = await allOf(
      shard,
      (before) => fillsOf("w1", { limit: 2, before }),
      (page) => page.items.fills ?? [],
    );
    expect(fills.map(({ order_id }) => order_id)).toEqual(idsOf(placed).slice(0, 5).toReversed());
    const one = await pageOf(shard, fillsOf("w1", { orderId: newest[9] }));
    expect(one.items.fills).toEqual([fills.find(({ order_id }) => order_id === newest[9])]);
    for (const [wallet, orderId] of [
      ["w1", "13"],
      ["w2", newest[9]],
      ["w1", "x"],
    ])
      expect(await pageOf(shard, fillsOf(wallet as string, { orderId }))).toMatchObject({
        items: { fills: [] },
        next: undefined,
      });
  });

  it("wallet desk - a page looks at so many orders at most, and is short and goes on where few of them match", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const first = await shard.placed("w1", { price: 0.01, client_order_id: "first" });
    const many = Array.from({ length: 4200 }, () =>
      shard.place("w1", { price: 0.02, time_in_force: "IOC" }),
    );
    shard.send(...many);
    await shard.answer(many.at(-1) as Numbered);
    const open = { statuses: ["Open"] as const };
    const short = await pageOf(shard, ordersOf("w1", open));
    expect(short.items.orders).toEqual([]);
    expect(short.read).toBeGreaterThanOrEqual(4000);
    expect(short.read).toBeLessThan(4300);
    const rest = await pageOf(shard, ordersOf("w1", { ...open, before: short.next }));
    expect(rest).toMatchObject({ items: { orders: [first] }, next: undefined });
  });

  it("wallet desk - one wallet's many questions keep nobody else's waiting, nor anybody's orders", async () => {
    const world = await ExchangeWorld.start(dir);
    const [greedy, other] = [world.shard(0), world.shard(1)];
    const many = Array.from({ length: 1500 }, () => greedy.place("w1", { time_in_force: "IOC" }));
    greedy.send(...many);
    await greedy.answer(many.at(-1) as Numbered);
    greedy.news.length = 0;
    const questions = Array.from({ length: 80 }, () => ordersOf("w1", { limit: 1000 }));
    greedy.send(...questions);
    await until("the first of the many", () => greedy.news.length > 0 || undefined);
    expect(await pageOf(other, ordersOf("w2"))).toMatchObject({ items: { orders: [] } });
    await other.placed("w2");
    const answered = greedy.news.length;
    expect(answered).toBeLessThan(60);
    await until("all of them", () => greedy.news.length === 80 || undefined);
  });

  it("wallet desk - fills go to the shards that watch one of the two wallets, each side its own", async () => {
    const world = await ExchangeWorld.start(dir);
    const [one, two, three] = [world.shard(0), world.shard(1), world.shard(2)];
    for (const [shard, wallet] of [
      [one, "w1"],
      [two, "w2"],
      [three, "w3"],
    ] as const)
      await shard.snapshot(wallet);
    await one.placed("w1", { side: "Sell" });
    await three.placed("w2");
    await until("the position", () => two.news.length === 3 || undefined);
    const kinds = (shard: ShardEnd) => shard.news.map(({ type }) => type);
    expect([kinds(one), kinds(two), kinds(three)]).toEqual([
      ["fill", "order", "position"],
      ["fill", "order", "position"],
      [],
    ]);
    // A shard is told, too, from where on it has been told nothing.
    const taken = (two.news[1] as Extract<ExchangeNews, { type: "order" }>).order;
    expect(two.told).toEqual({ tradeId: 2, ts: taken.updated_ts, orderId: 0 });
    expect([one.news[0], two.news[0]]).toMatchObject([
      { fill: { wallet: "w1", side: "Sell", liquidity: "Maker", order_id: "1" } },
      { fill: { wallet: "w2", side: "Buy", liquidity: "Taker", order_id: "2" } },
    ]);
  });

  it("wallet desk - what is asked while the server stops is refused", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    world.store.hold();
    const order = shard.place("w1");
    shard.send(order);
    await until("the commit", () => world.store.waiting > 0 || undefined);
    const questions = [ordersOf("w1"), getOrder("w1", "1")];
    shard.send(...questions);
    await world.quiet();
    world.abort();
    world.store.release();
    for (const one of questions)
      expect(await shard.answer(one)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    await world.running;
  });

  it("wallet desk - what can be recovered is what is kept, not of the future, and within the bound", async () => {
    const retention = { maxStoredOrders: 0, clientOrderIdRetentionMs: 0, maxStoredTrades: 1 };
    const world = await ExchangeWorld.start(dir, "run-1", retention);
    const shard = world.shard();
    const recovered = async (since: number, max?: number): Promise<boolean> =>
      ((await shard.ask(recover("w1", since, max))) as NewsOf<"recoverable">).recovered;
    expect(await recovered(0)).toBe(true);
    const open = await shard.placed("w1", { side: "Sell", quantity: 10 });
    expect(await recovered(open.updated_ts + 60_000_000)).toBe(false);
    expect([await recovered(0, 1), await recovered(0, 0)]).toEqual([true, false]);
    const first = await shard.placed("w2");
    // The open order, and a fill of it.
    expect([await recovered(0, 2), await recovered(0, 1)]).toEqual([true, false]);
    await shard.placed("w2");
    const { prunings } = world.store;
    await until("a pruning", () => world.store.prunings > prunings + 1 || undefined);
    expect([await recovered(0), await recovered(first.updated_ts)]).toEqual([false, false]);
    // Nor is it replayed to whom it was promised before; who was told up to there is told what follows.
    const [late, news] = [replay("w1", { since: 0 }), replay("w1", { since: 0 }, false)];
    expect(await shard.ask(late)).toMatchObject({ type: "replay-lost" });
    expect(await shard.ask(news)).toMatchObject({ type: "replay", next: undefined });
    const last = await shard.placed("w1", { side: "Sell" });
    expect(await recovered(last.updated_ts)).toBe(true);
  });

  it("wallet desk - behind the end of a replay a shard knows from where on it has been told nothing", async () => {
    const world = await ExchangeWorld.start(dir);
    const [busy, resuming] = [world.shard(0), world.shard(1)];
    await busy.placed("w1", { side: "Sell" });
    const taken = await busy.placed("w2");
    expect(resuming.told).toBeUndefined();
    expect(await resuming.ask(replay("w1", { since: 0 }))).toMatchObject({ next: undefined });
    expect(resuming.told).toEqual({ tradeId: 2, ts: taken.updated_ts, orderId: 0 });
  });
});

/** The answer to a replay; the news before it are in it. */
async function replayed(shard: ShardEnd, { request }: Numbered): Promise<NewsOf<"replay">> {
  const at = await until("the replay", () => {
    const index = shard.news.findIndex((one) => "request" in one && one.request === request);
    return index < 0 ? undefined : { index };
  });
  return shard.news.splice(0, at.index + 1).at(-1) as NewsOf<"replay">;
}

/** A watcher that makes a wallet's orders and fills of a replay and of the news behind it. */
class Watcher {
  readonly orders = new Map<string, ContractOrder>();
  readonly fills: ContractFill[] = [];
  /** By order: what its fills add up to. */
  readonly filled = new Map<string, number>();
  readonly wallet: string;

  constructor(wallet: string) {
    this.wallet = wallet;
  }

  take(one: ContractOrder | ContractFill): void {
    expect(one.wallet).toBe(this.wallet);
    if ("trade_id" in one) {
      this.fills.push(one);
      this.filled.set(one.order_id, (this.filled.get(one.order_id) ?? 0) + one.quantity);
    } else {
      this.orders.set(one.order_id, one);
      // Fills come before the order that includes them.
      expect(this.filled.get(one.order_id) ?? 0).toBe(one.filled_quantity);
    }
  }
}

it(`wallet desk - a replay from any moment and the news behind it tell every fill once and every order's last state, also over failed commits (seed ${SEED})`, async () => {
  const random = new Random(SEED);
  const world = await ExchangeWorld.start(dir);
  const [busy, watching] = [world.shard(0), world.shard(1)];
  const wallets = ["w1", "w2", "w3"];
  const answered: ContractOrder[] = [];
  const trade = async (count: number): Promise<void> => {
    const requests = Array.from({ length: count }, () =>
      busy.place(wallets[random.below(3)] as string, {
        side: random.below(2) === 0 ? "Buy" : "Sell",
        price: (40 + random.below(20)) / 100,
        quantity: 1 + random.below(9),
        ...(random.below(3) === 0 && { time_in_force: "IOC" as const }),
      }),
    );
    busy.send(...requests);
    for (const request of requests) {
      const answer = await busy.answer(request);
      if (answer.type === "reply") answered.push(answer.order);
    }
  };
  await trade(350);
  for (let round = 0; round < 4; round++) {
    const wallet = wallets[round % 3] as string;
    // From the beginning, so that an order's fills can be added up.
    const watcher = new Watcher(wallet);
    let from: ReplayFrom | undefined = { since: 0 };
    const fails = round % 2 === 1;
    const told = world.health.length;
    if (fails) world.store.failure = NO_SPACE;
    const trading = trade(150).then(() => trade(50));
    while (from !== undefined) {
      const request = replay(wallet, from);
      watching.send(request);
      const answer = await replayed(watching, request);
      expect(answer.told.length).toBeLessThanOrEqual(256);
      for (const one of answer.told) watcher.take(one);
      from = answer.next;
    }
    if (fails) {
      await until("a failure", () => world.health.length > told || undefined);
      world.store.failure = undefined;
      await until("the store is well", () => world.health.at(-1) === "ok" || undefined);
    }
    await trading;
    await trade(30);
    await world.quiet();
    for (const news of watching.news.splice(0)) {
      if (news.type === "fill") watcher.take(news.fill);
      else if (news.type === "order") watcher.take(news.order);
    }
    watching.send({ type: "unwatch", wallet });
    const orders = await allOf(
      busy,
      (before) => ordersOf(wallet, { limit: 70, before }),
      (page) => page.items.orders ?? [],
    );
    const fills = await allOf(
      busy,
      (before) => fillsOf(wallet, { limit: 70, before }),
      (page) => page.items.fills ?? [],
    );
    expect(
      [...watcher.orders.values()].toSorted((a, b) => Number(b.order_id) - Number(a.order_id)),
    ).toEqual(orders);
    expect(watcher.fills.toReversed()).toEqual(fills);
    expect(orders.length).toBeGreaterThan(100);
  }
  // Every order that was answered is in somebody's history.
  for (const { order_id, wallet } of answered.slice(-50))
    expect(await busy.ask(getOrder(wallet, order_id))).toMatchObject({ type: "reply" });
}, 60_000);
