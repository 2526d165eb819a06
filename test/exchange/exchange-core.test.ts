import { setImmediate as turn } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { ExchangeCore } from "../../src/exchange/exchange-core.js";
import { ExchangeMarkets } from "../../src/exchange/exchange-markets.js";
import type { Store } from "../../src/store/store.js";
import { openStore, temporaryDirectory } from "../store/directories.js";
import { orderTerms } from "../support/order-terms.js";
import { MARKET, OPTIONS, publisherWorld } from "./exchange-world.js";

let world: ReturnType<typeof publisherWorld>;
let store: Store;
let core: ExchangeCore;
beforeEach(async () => {
  world = publisherWorld();
  store = await openStore(temporaryDirectory());
  await store.putMarkets([MARKET]);
  const markets = new ExchangeMarkets(world.publisher, { priceBandPercent: 30, maxPosition: 6 });
  markets.list({ definition: MARKET, status: "Active", maxPrice: undefined }, undefined);
  const time = { now: () => world.position.now(), passed: 0 };
  core = await ExchangeCore.open({ options: OPTIONS, markets, time }, await store.load());
});

function place(side: "Buy" | "Sell", price: number, terms = {}): void {
  core.execute({
    type: "place",
    terms: orderTerms({ marketId: 1, side, price, quantity: 2, ...terms }),
  });
}

async function published() {
  await turn();
  world.truth.read();
  return world.truth.of(MARKET.marketId);
}

describe("exchange core", () => {
  it("exchange core - what is executed is published when the caller says so, trades before the book", async () => {
    place("Buy", 40);
    place("Sell", 40, { wallet: "bob" });
    place("Buy", 39);
    expect((await published()).trades).toEqual([]);
    const changes = core.takeChanges();
    await store.commit(changes, []);
    core.publish(changes);
    const { trades, states } = await published();
    expect(trades).toMatchObject([{ price: 40, quantity: 2 }]);
    expect(states.at(-1)).toMatchObject({ price: 40, volume: 2, bestBid: 39, bestAsk: null });
    expect(core.lastTrade).toBe(1);
  });

  it("exchange core - what becomes due under a command waits for one of its own", async () => {
    let clock = world.position.now();
    let ticks = 0;
    const time = { now: () => (clock += ticks), passed: 0 };
    const markets = new ExchangeMarkets(publisherWorld().publisher, {
      priceBandPercent: 0,
      maxPosition: undefined,
    });
    markets.list({ definition: MARKET, status: "Active", maxPrice: undefined }, undefined);
    core = await ExchangeCore.open({ options: OPTIONS, markets, time }, await store.load());
    const expiresTs = clock + 10;
    for (let at = 0; at < 5; at++) place("Buy", 40, { timeInForce: "GTD", expiresTs });
    expect(core.isDue).toBe(false);
    const lookedAt = clock;
    ticks = 100;
    const sold = core.execute({
      type: "place",
      terms: orderTerms({ marketId: 1, side: "Sell", price: 40, quantity: 2, wallet: "bob" }),
    });
    expect(sold.map(({ type }) => type)).not.toContain("lapsed");
    expect(sold).toContainEqual(
      expect.objectContaining({ trade: expect.objectContaining({ ts: lookedAt }) }),
    );
    expect(core.isDue).toBe(true);
    const lapsed: number[] = [];
    const expire = (): boolean => core.expire(3, ({ length }) => lapsed.push(length));
    expect([expire(), core.isDue]).toEqual([false, true]);
    expect([expire(), core.isDue]).toEqual([true, false]);
    expect(lapsed).toEqual([3, 1]);
  });

  it("exchange core - an id that is looked for as a command comes is free for it, whatever falls due between", async () => {
    let passed = 1000;
    const time = {
      now: () => world.position.now(),
      get passed() {
        return passed;
      },
    };
    const markets = new ExchangeMarkets(publisherWorld().publisher, {
      priceBandPercent: 0,
      maxPosition: undefined,
    });
    markets.list({ definition: MARKET, status: "Active", maxPrice: undefined }, undefined);
    const options = { ...OPTIONS, clientOrderIdRetentionMs: 5 };
    core = await ExchangeCore.open({ options, markets, time }, await store.load());
    place("Buy", 30, { wallet: "alice", clientOrderId: "again", timeInForce: "IOC" });
    core.execute({ type: "cancel-after", wallet: "bob", timeoutMs: 5 });
    place("Buy", 20, { wallet: "bob" });
    expect(core.isDue).toBe(false);
    // Both the id's time and bob's are over.
    passed += 6000;
    expect(core.knownOrder("alice", "again")).toMatchObject({ orderId: 1 });
    const [placed] = core.execute({
      type: "place",
      terms: orderTerms({ marketId: 1, price: 30, wallet: "alice", clientOrderId: "again" }),
    });
    expect(placed).toMatchObject({ type: "duplicate", orderId: 1 });
    expect(core.expire(9, () => {})).toBe(true);
    expect(core.knownOrder("alice", "again")).toBeUndefined();
  });

  it("exchange core - after a reload whoever asks finds what is stored, and nothing else", async () => {
    place("Buy", 40, { wallet: "kept", session: "kept" });
    await store.commit(core.takeChanges(), []);
    const kept = [...core.openOrders("kept")];
    place("Sell", 40, { wallet: "undone", clientOrderId: "undone" });
    place("Buy", 30, { wallet: "undone", session: "undone" });
    expect(core.book(1)?.best("Buy")).toBe(30);
    await core.reload(await store.load());
    expect(core.book(1)?.best("Buy")).toBe(40);
    expect([...core.openOrders("kept")]).toEqual(kept);
    expect([...core.positions("kept"), ...core.positions("undone")]).toEqual([]);
    expect(core.knownOrder("undone", "undone")).toBeUndefined();
    expect([...core.sessions()]).toEqual(["kept"]);
    expect(core.totals(1)).toMatchObject({ lastPrice: undefined });
    expect(core.takeChanges()).toMatchObject({ orders: [], trades: [], nextTradeId: 1 });
  });

  it("exchange core - after a reload bounds hold, by what is stored", async () => {
    place("Buy", 40);
    place("Sell", 40, { wallet: "bob" });
    await store.commit(core.takeChanges(), []);
    place("Sell", 44, { wallet: "bob" });
    place("Buy", 44, { wallet: "carol" });
    await core.reload(await store.load());
    expect(core.totals(1)).toMatchObject({ lastPrice: 40 });
    const rule = (given: object) =>
      core.execute({
        type: "place",
        terms: orderTerms({ marketId: 1, price: 40, quantity: 4, ...given }),
        validateOnly: true,
      })[0];
    expect(rule({})).toEqual({ type: "validated" });
    expect(rule({ price: 53 })).toMatchObject({ rejection: { details: { rule: "price_band" } } });
    expect(rule({ quantity: 5 })).toMatchObject({
      rejection: { details: { rule: "max_position", limit: 6 } },
    });
  });

  it("exchange core - until what is stored has been read, it stays as it is", async () => {
    place("Buy", 40);
    const reloading = core.reload(await store.load());
    expect(core.book(1)?.best("Buy")).toBe(40);
    await reloading;
    expect(core.book(1)?.best("Buy")).toBeUndefined();
  });
});
