import type { ServerMessage, Trade } from "../../src/contract/messages.js";
import { TestClient } from "./test-client.js";
import { until } from "./until.js";

/** A stream of an epoch and a market, by the type of its messages. */
type StreamKey = string;

/**
 * A client that watches prices, books and all trades of a node, and holds each stream against what a client may
 * rely on: no trade is missing or comes twice, and no `seq` goes back, each within its epoch.
 */
export class RelayWatch {
  readonly faults: string[] = [];
  readonly epochs: string[] = [];
  /** By epoch and market. */
  readonly trades = new Map<string, Trade[]>();
  /** Of prices and books the message by stream and `seq`, as JSON without its `ts`, and that. */
  readonly states = new Map<string, readonly [json: string, ts: number]>();
  /** The code with which the server has ended it, if it has. */
  closedWith: number | undefined;
  readonly #client: TestClient;
  readonly #seqs = new Map<StreamKey, number>();

  private constructor(client: TestClient) {
    this.#client = client;
    void client.closed.then(({ code }) => {
      this.closedWith = code;
    });
    void this.#watch();
  }

  /** Watches prices and books of some markets, and all trades, since a `ts` if one is given. */
  static async start(
    port: number,
    markets: readonly number[],
    since?: number,
  ): Promise<RelayWatch> {
    const trades = { type: "Trades", ...(since === undefined ? {} : { since }) };
    const market = markets.map((market_id) => ({ type: "Market", params: { market_id } }));
    return RelayWatch.#subscribed(port, [trades, ...market, pricesOf(markets)]);
  }

  /** Watches prices of some markets alone, which outlive a gap among trades. */
  static prices(port: number, markets: readonly number[]): Promise<RelayWatch> {
    return RelayWatch.#subscribed(port, [pricesOf(markets)]);
  }

  static async #subscribed(port: number, channels: readonly object[]): Promise<RelayWatch> {
    const client = await TestClient.connect(port);
    client.send({ type: "Subscribe", data: { channels } });
    return new RelayWatch(client);
  }

  get epoch(): string {
    return this.epochs.at(-1) ?? "";
  }

  /** Trades of all markets in an epoch, by default the present one. */
  tradeCount(epoch = this.epoch): number {
    let trades = 0;
    for (const [key, some] of this.trades) if (key.startsWith(`${epoch} `)) trades += some.length;
    return trades;
  }

  /** Resolves when it has so many more trades of the present epoch. */
  async moreTrades(more: number): Promise<void> {
    const enough = this.tradeCount() + more;
    await until(
      `${enough} trades`,
      () => this.tradeCount() >= enough,
      20_000,
      () => `${this.tradeCount()}, closed with ${this.closedWith}`,
    );
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #watch(): Promise<void> {
    try {
      for (;;) this.#take(await this.#client.next());
    } catch (error) {
      if (this.closedWith === undefined && this.#client.failure !== undefined)
        this.faults.push(String(error));
    }
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "Connected":
      case "EpochChanged":
        this.epochs.push(message.data.epoch);
        return;
      case "PriceUpdate":
      case "OrderBook":
        return this.#state(message.type, message.data.market_id, message.data.seq, message.data);
      case "TradeExecution":
        return this.#trade(message.data.trade);
    }
  }

  #state(
    type: string,
    market: unknown,
    seq: number,
    { ts, ...data }: { readonly ts: number },
  ): void {
    const key = `${this.epoch} ${type} ${String(market)}`;
    const last = this.#seqs.get(key) ?? 0;
    if (seq < last) this.faults.push(`${key}: ${last} -> ${seq}`);
    this.#seqs.set(key, seq);
    this.states.set(`${key} ${seq}`, [JSON.stringify(data), ts]);
  }

  #trade(trade: Trade): void {
    const key = `${trade.epoch ?? this.epoch} ${String(trade.market_id)}`;
    const trades = this.trades.get(key) ?? [];
    const last = trades.at(-1)?.seq;
    if (last !== undefined && trade.seq !== last + 1)
      this.faults.push(`trades of ${key}: ${last} -> ${trade.seq}`);
    trades.push(trade);
    this.trades.set(key, trades);
  }
}

function pricesOf(markets: readonly number[]) {
  return { type: "PriceFeed", params: { market_ids: markets } };
}

/**
 * What two watches were told differently of the same; and how much they were told both. First data, and what was
 * conflated, have the `ts` of the market's latest state, so a price that stands may be told with a later one.
 */
export function differences(one: RelayWatch, other: RelayWatch) {
  const different: string[] = [];
  let states = 0;
  let statesOfOneTs = 0;
  for (const [key, [message, ts]] of one.states) {
    const same = other.states.get(key);
    if (same === undefined) continue;
    states++;
    if (same[1] === ts) statesOfOneTs++;
    if (same[0] !== message) different.push(`${key}: ${message} and ${same[0]}`);
  }
  let trades = 0;
  for (const [key, some] of one.trades) {
    const bySeq = new Map((other.trades.get(key) ?? []).map((trade) => [trade.seq, trade]));
    for (const trade of some) {
      const same = bySeq.get(trade.seq);
      if (same === undefined) continue;
      trades++;
      if (JSON.stringify(same) !== JSON.stringify(trade))
        different.push(`${key}: ${JSON.stringify(trade)} and ${JSON.stringify(same)}`);
    }
  }
  return { different, states, statesOfOneTs, trades };
}
