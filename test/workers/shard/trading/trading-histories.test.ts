import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { counted, SHARD } from "../../../../src/counters/counters.js";
import type { ExchangeRequest } from "../../../../src/workers/messages.js";
import { ExchangeEnd } from "../../../support/exchange-end.js";
import { ExchangeModel } from "../../../support/exchange-model.js";
import { PrivateClientModel } from "../../../support/private-client-model.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

/*
 * Random histories of a shard's traders and of an exchange that takes its time: requests and news
 * wait between the two in any amount. Every message is checked by its client's model.
 */

const WALLETS = ["v", "w"] as const;
const MARKET = { type: "Market", params: { market_id: 1 } };

interface Trader {
  readonly client: Client;
  readonly wallet: string;
  readonly model: PrivateClientModel;
  /** Messages that the model has taken. */
  taken: number;
}

type Action =
  | {
      readonly kind: "subscribe" | "unsubscribe";
      readonly trader: number;
      readonly types: string[];
    }
  | { readonly kind: "place"; readonly trader: number; readonly name: string | undefined }
  | { readonly kind: "cancel"; readonly trader: number; readonly order: number }
  | { readonly kind: "fill" | "placeElsewhere"; readonly wallet: string }
  | { readonly kind: "work" | "tell"; readonly count: number }
  | { readonly kind: "congest" | "disconnect"; readonly trader: number }
  | { readonly kind: "drain"; readonly trader: number; readonly writes: number }
  | { readonly kind: "connect"; readonly wallet: string; readonly encoding: number }
  | { readonly kind: "settle" | "quote" | "round" | "exchangeGoes" | "exchangeComes" };

const trader = fc.nat(7);
const wallet = fc.constantFrom(...WALLETS);
const types = fc.subarray(["Orders", "Positions"], { minLength: 1 });
const count = fc.constantFrom(1, 2, 5, Number.POSITIVE_INFINITY);
const action = (
  weight: number,
  kind: Action["kind"],
  fields: Readonly<Record<string, fc.Arbitrary<unknown>>> = {},
) => ({
  weight,
  arbitrary: fc.record({ kind: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<Action>,
});

const histories = fc.array(
  fc.oneof(
    action(6, "subscribe", { trader, types }),
    action(4, "unsubscribe", { trader, types }),
    action(6, "place", { trader, name: fc.constantFrom(undefined, "a", "b") }),
    action(3, "cancel", { trader, order: fc.integer({ min: 1, max: 8 }) }),
    action(4, "fill", { wallet }),
    action(3, "placeElsewhere", { wallet }),
    action(1, "settle"),
    action(10, "work", { count }),
    action(10, "tell", { count }),
    action(3, "congest", { trader }),
    action(3, "drain", { trader, writes: fc.constantFrom(1, Number.POSITIVE_INFINITY) }),
    action(3, "quote"),
    action(3, "round"),
    action(1, "connect", { wallet, encoding: fc.nat(1) }),
    action(1, "disconnect", { trader }),
    action(1, "exchangeGoes"),
    action(2, "exchangeComes"),
  ),
  { maxLength: 100, size: "max" },
);

class TradingWorld {
  readonly #world = new ShardWorld({ takesOrders: true });
  readonly #exchange = new ExchangeModel();
  readonly #traders: Trader[] = [];
  #end: ExchangeEnd | undefined;
  #inbox: ExchangeRequest[] = [];
  #lastId = 0;
  #middle = 100;

  constructor() {
    this.#world.list(1);
    this.#world.flush();
    this.#world.round();
    for (let number = 0; number < 4; number++) {
      this.#connect(WALLETS[number & 1] as string, number >> 1);
      // Some of them have market data as well.
      if (number > 0)
        this.#ask(this.#traders[number] as Trader, "Subscribe", { channels: [MARKET] });
    }
  }

  async run(actions: readonly Action[]): Promise<void> {
    await this.#exchangeComes();
    try {
      for (const one of actions) {
        await this.#act(one);
        this.#read();
      }
      await this.#settle();
      this.#expectUpToDate();
      await this.#expectNothingLeft();
    } finally {
      this.#world.trading.close();
    }
  }

  get #open(): readonly Trader[] {
    return this.#traders.filter(({ client }) => client.connection.open);
  }

  #act(one: Action): void | Promise<void> {
    const open = this.#open;
    const chosen = "trader" in one ? open[one.trader % Math.max(1, open.length)] : undefined;
    if ("trader" in one && chosen === undefined) return;
    const someone = chosen as Trader;
    switch (one.kind) {
      case "subscribe":
      case "unsubscribe": {
        const params = { wallet: someone.wallet };
        const channels = one.types.map((type) => ({ type, params }));
        const type = one.kind === "subscribe" ? "Subscribe" : "Unsubscribe";
        return this.#ask(someone, type, { channels });
      }
      case "place": {
        const order = { market_id: 1, side: "Buy", order_type: "Limit", price: 0.5, quantity: 2 };
        const named = one.name === undefined ? order : { ...order, client_order_id: one.name };
        return this.#ask(someone, "PlaceOrder", { order: named });
      }
      case "cancel":
        return this.#ask(someone, "CancelOrder", { order_id: `${one.order}` });
      case "fill":
        return this.#exchange.fill(one.wallet);
      case "settle":
        return this.#exchange.settle();
      case "placeElsewhere":
        return this.#exchange.place(one.wallet);
      case "work":
        return this.#work(one.count);
      case "tell":
        return this.#tell(one.count);
      case "congest":
        someone.client.socket.congested = true;
        someone.client.model.conflated = true;
        return;
      case "drain":
        return someone.client.socket.drain(one.writes);
      case "quote":
        this.#world.quote(1, ++this.#middle);
        return this.#world.flush();
      case "round":
        return this.#world.round();
      case "connect":
        return this.#connect(one.wallet, one.encoding);
      case "disconnect":
        return this.#world.disconnect(someone.client);
      case "exchangeGoes":
        return this.#exchangeGoes();
      case "exchangeComes":
        return this.#exchangeComes();
    }
  }

  #connect(walletOfIt: string, encoding: number): void {
    const client = this.#world.connect(encoding);
    const { connection } = client;
    connection.identity = { userId: "u", wallet: walletOfIt, role: undefined, expiresAt: 1e15 };
    const { history } = this.#exchange.wallet(walletOfIt);
    const model = new PrivateClientModel(history);
    this.#traders.push({ client, wallet: walletOfIt, model, taken: 0 });
  }

  #ask({ client, model }: Trader, type: string, data: object): void {
    const id = `${++this.#lastId}`;
    model.asked.add(id);
    this.#world.request(client, { type, id, data });
  }

  /** The exchange answers some of what it has been asked. */
  async #work(most: number): Promise<void> {
    if (this.#end === undefined) return;
    this.#inbox.push(...(await this.#end.requests()));
    for (const request of this.#inbox.splice(0, most)) this.#exchange.answer(request);
  }

  /** Some of what the exchange has to tell reaches the shard. */
  async #tell(most: number): Promise<void> {
    const news = this.#exchange.news.splice(0, most);
    if (news.length > 0) await this.#end?.tell(...news);
  }

  /** What was asked and what was to be told is lost with it. */
  async #exchangeGoes(): Promise<void> {
    await this.#end?.close();
    this.#end = undefined;
    this.#inbox = [];
    this.#exchange.restart();
  }

  async #exchangeComes(): Promise<void> {
    // What the one before has told is to be read before the models hear of its end.
    this.#world.settle();
    this.#read();
    this.#end = new ExchangeEnd();
    this.#inbox = [];
    this.#exchange.restart();
    this.#world.trading.connect(this.#end.port);
    for (const { model } of this.#traders) model.exchangeChanged();
    const [first] = await this.#end.messages();
    expect(first?.[0]).toEqual({ type: "attach", sessions: [] });
    this.#inbox.push(...(first ?? []));
  }

  /** Has the models take what their clients have been sent. */
  #read(): void {
    for (const one of this.#traders) {
      const { messages } = one.client;
      while (one.taken < messages.length) one.model.take(messages[one.taken++] as never);
    }
  }

  async #settle(): Promise<void> {
    if (this.#end === undefined) await this.#exchangeComes();
    // Requests that waited for their socket have the exchange asked again.
    for (const _ of ["asked", "waiting"]) {
      await this.#work(Number.POSITIVE_INFINITY);
      await this.#tell(Number.POSITIVE_INFINITY);
      this.#world.settle();
      this.#read();
    }
  }

  #expectUpToDate(): void {
    for (const { model } of this.#open) model.expectUpToDate();
    const subscribed = this.#open.filter(({ model }) => model.streams.size > 0);
    const watched = new Set(subscribed.map((one) => one.wallet));
    expect([...this.#exchange.watched].sort()).toEqual([...watched].sort());
  }

  async #expectNothingLeft(): Promise<void> {
    for (const { client } of this.#open) this.#world.disconnect(client);
    await this.#work(Number.POSITIVE_INFINITY);
    expect([...this.#exchange.watched]).toEqual([]);
    const { counters } = this.#world;
    const { ordersPending, queuedBytes, subscriptionsByChannel } = SHARD;
    expect([ordersPending, queuedBytes].map((word) => counted(counters, word))).toEqual([0, 0]);
    const from = subscriptionsByChannel;
    expect(counters.subarray(from, from + 7).every((number) => number === 0)).toBe(true);
  }
}

describe("trading", () => {
  it("trading - snapshots and updates are always what the exchange has, and each request has one answer", async () => {
    await fc.assert(
      fc.asyncProperty(histories, (actions) => new TradingWorld().run(actions)),
      { numRuns: 200 },
    );
  });
});
