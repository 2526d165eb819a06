import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import type { Random } from "../../src/shared/random.js";
import type { Flags } from "./server-process.js";
import { TestClient } from "./test-client.js";
import type { Told } from "./told.js";
import { connectTrader, type TraderOptions } from "./trading.js";

/** Flags of a server that takes orders as fast as they come. */
export const FAST_EXCHANGE: Flags = {
  feed: "exchange",
  "book-interval": 0,
  "max-orders-per-second": 1e6,
  "max-messages-per-second": 1e6,
};

export const LOAD_MARKETS = [1001, 1002] as const;

/** The connections of a load. Two of a wallet's are told of each other's orders. */
const TRADERS: readonly TraderOptions[] = [
  { wallet: "w1", encoding: "json" },
  { wallet: "w2", encoding: "msgpack" },
  { wallet: "w2", encoding: "json" },
  { wallet: "w3", encoding: "msgpack", cancelOnDisconnect: true },
];
export const WALLETS = ["w1", "w2", "w3"] as const;

/** When no load runs any more. */
const LATER_TS = 2 ** 52;
const BURST_MAX = 8;
/** How long an answer may take. An exchange that hangs gives none. */
const ANSWER_MS_MAX = 15_000;
/** Before the next order where there is no exchange to take it. */
const PAUSE_MS = 20;

/** Traders of several wallets that trade with each other as fast as answers come. */
export class TradingLoad {
  readonly #traders: readonly Trader[];
  readonly #tape: TestClient;
  readonly #told: Told;
  readonly #ended: Promise<unknown>;

  private constructor(traders: readonly Trader[], tape: TestClient, told: Told) {
    this.#traders = traders;
    this.#tape = tape;
    this.#told = told;
    this.#ended = Promise.all(traders.map((trader) => trader.trade()));
    // Whoever waits for the end hears of it.
    this.#ended.catch(() => {});
  }

  /** Connects all; they trade until {@link stop}, or until the server ends. */
  static async start(port: number, random: Random, told: Told): Promise<TradingLoad> {
    const tape = await TestClient.connect(port);
    await tape.subscribe({ type: "Trades" });
    const traders = await Promise.all(
      TRADERS.map(async (options) => {
        const client = await connectTrader(port, options);
        const { wallet } = options;
        const channels = ["Orders", "Positions"].map((type) => ({ type, params: { wallet } }));
        client.send({ type: "Subscribe", data: { channels } });
        return new Trader(client, wallet as string, random, told);
      }),
    );
    return new TradingLoad(traders, tape, told);
  }

  /** Resolves as soon as one of the traders has an order's state as an answer. */
  answered(): Promise<void> {
    return this.during(Promise.race(this.#traders.map((trader) => trader.answered())));
  }

  /** Waits for something else, and fails as soon as an answer does not come or is wrong. */
  during<T>(other: Promise<T>): Promise<T> {
    return Promise.race([other, this.#ended.then(() => other)]);
  }

  /** Lets every trader have its last answers, and closes the connections. */
  async stop(): Promise<void> {
    for (const trader of this.#traders) trader.stop();
    await this.#ended;
    await this.#tape.close();
    await this.ended();
  }

  /** Resolves when all connections have ended. Rejects where an answer did not come, or was wrong. */
  async ended(): Promise<void> {
    await this.#ended;
    await this.#tape.closed;
    if (this.#tape.failure !== undefined) throw this.#tape.failure;
    const trades = new Set<string>();
    for (const message of this.#tape.inbox.splice(0)) {
      this.#told.take(message);
      if (message.type !== "TradeExecution") continue;
      const { trade_id } = message.data.trade;
      expect(trades.has(trade_id), `trade ${trade_id} is told twice on one connection`).toBe(false);
      trades.add(trade_id);
    }
  }
}

class Trader {
  readonly #client: TestClient;
  readonly #wallet: string;
  readonly #random: Random;
  readonly #told: Told;
  #stopping = false;
  #refused = false;
  #onAnswer: () => void = () => {};

  constructor(client: TestClient, wallet: string, random: Random, told: Told) {
    this.#client = client;
    this.#wallet = wallet;
    this.#random = random;
    this.#told = told;
  }

  stop(): void {
    this.#stopping = true;
  }

  answered(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAnswer = resolve;
    });
  }

  /** Sends a burst, waits for its answers, and so on until it is stopped or the connection ends. */
  async trade(): Promise<void> {
    while (!this.#stopping) {
      if (this.#refused) await sleep(PAUSE_MS);
      this.#refused = false;
      const waiting = new Set<string>();
      for (let at = this.#random.below(BURST_MAX); at >= 0; at--) waiting.add(this.#send());
      while (waiting.size > 0) {
        const message = await this.#next();
        if (message === undefined) return;
        this.#told.take(message);
        if (typeof message.id !== "string" || !waiting.delete(message.id)) continue;
        this.#hear(message.id, message);
      }
    }
    await this.#client.close();
    for (const message of this.#client.inbox.splice(0)) this.#told.take(message);
  }

  /** An order that a rule has refused may be forgotten; of all others it is open what became of them. */
  #hear(id: string, message: ServerMessage): void {
    if (message.type === "OrderResults")
      for (const [at, { error }] of message.data.results.entries())
        if (error !== undefined) this.#told.sent.delete(`${id}-${at}`);
    if (message.type !== "Error") return this.#onAnswer();
    const { code } = message.data;
    if (code === "UNAVAILABLE") this.#refused = true;
    else if (code === "ORDER_REJECTED") this.#told.sent.delete(id);
    else if (code !== "ORDER_NOT_FOUND")
      throw new Error(`unexpected answer: ${JSON.stringify(message)}`);
  }

  /** Undefined when the connection has ended and all that it brought has been read. */
  async #next(): Promise<ServerMessage | undefined> {
    const { ws } = this.#client;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      ws.terminate();
    }, ANSWER_MS_MAX);
    try {
      return await this.#client.next();
    } catch (error) {
      if (late) throw new Error(`${this.#wallet}: no answer within ${ANSWER_MS_MAX} ms`);
      if (this.#client.failure !== undefined) throw error;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends one request and returns its id, which is a client order id, too, where it has one. */
  #send(): string {
    const id = `${this.#wallet}-${this.#random.nextInt32() >>> 0}-${this.#random.below(1e6)}`;
    const open = this.#random.below(4) === 0 ? this.#told.openOrders(this.#wallet) : [];
    const target = open[this.#random.below(open.length)];
    if (target !== undefined) {
      const { order_id, client_order_id } = target;
      const data = client_order_id === undefined ? { order_id } : { client_order_id };
      if (this.#random.below(2) === 0) this.#client.send({ type: "CancelOrder", id, data });
      else this.#client.send({ type: "AmendOrder", id, data: { ...data, ...this.#drawAmend() } });
      return id;
    }
    switch (this.#random.below(12)) {
      case 0: {
        const orders = [0, 1, 2].map((at) => this.#newOrder(`${id}-${at}`));
        this.#client.send({ type: "PlaceOrders", id, data: { orders } });
        break;
      }
      case 1: {
        const data = { market_id: LOAD_MARKETS[0], side: "Buy" };
        this.#client.send({ type: "CancelOrders", id, data });
        break;
      }
      case 2:
        this.#client.send({ type: "CancelAfter", id, data: { timeout_ms: 300_000 } });
        break;
      default:
        this.#client.send({ type: "PlaceOrder", id, data: { order: this.#newOrder(id) } });
    }
    return id;
  }

  #drawAmend(): Readonly<Record<string, number>> {
    const random = this.#random;
    const to = random.below(3);
    return {
      ...(to !== 0 && { quantity: 1 + random.below(20) }),
      ...(to !== 1 && { price: (40 + random.below(20)) / 100 }),
    };
  }

  /** An order that is about to be sent. */
  #newOrder(id: string): Readonly<Record<string, unknown>> {
    const order = this.#drawOrder(id);
    if ("client_order_id" in order)
      this.#told.sent.set(id, { wallet: this.#wallet, order, orderId: undefined });
    return order;
  }

  #drawOrder(id: string): Readonly<Record<string, unknown>> {
    const random = this.#random;
    const of = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
    const terms = of([
      { order_type: "Limit" },
      { order_type: "Limit" },
      { order_type: "Limit", post_only: true },
      { order_type: "Limit", self_trade: "CancelMaker" },
      { order_type: "Limit", time_in_force: "GTD", expires_ts: LATER_TS },
      { order_type: "Limit", time_in_force: "IOC" },
      { order_type: "Limit", time_in_force: "FOK" },
      { order_type: "Market", time_in_force: "IOC" },
    ] as const);
    return {
      market_id: of(LOAD_MARKETS),
      side: of(["Buy", "Sell"]),
      quantity: 1 + random.below(20),
      ...terms,
      ...(terms.order_type === "Limit" && { price: (40 + random.below(20)) / 100 }),
      ...(random.below(4) > 0 && { client_order_id: id }),
    };
  }
}
