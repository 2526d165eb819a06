import { MarketcastClient } from "../../src/client/node.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { Channel, Fill, ServerMessage, Trade } from "../../src/contract/messages.js";
import { SeqWatch, type TradesTold } from "./history-checker.js";
import { testToken } from "./server-process.js";

const QUICK = { reconnectIntervalMs: 50, maxReconnectIntervalMs: 1000 } as const;

/** A client of the library that stays through whatever happens to its nodes, and all that it is told. */
export class RoamingClient implements TradesTold {
  readonly client: string;
  readonly trades: Trade[] = [];
  readonly fills: Fill[] = [];
  readonly losses: number[] = [];
  readonly seqs: SeqWatch;
  readonly connection: MarketcastClient;
  /** The nodes that it was connected to, in turn. */
  readonly nodes: string[] = [];

  private constructor(name: string, connection: MarketcastClient, channels: readonly Channel[]) {
    this.client = name;
    this.connection = connection;
    this.seqs = new SeqWatch(name);
    connection.on("state", (state) => {
      if (state.status === "open") this.seqs.begin(state.epoch);
    });
    connection.on("epoch", ({ epoch }) => this.seqs.begin(epoch));
    connection.on("gap", ({ stream }) => {
      if (stream === "trade") this.#noteLoss();
    });
    connection.on("subscriptionLost", () => this.#noteLoss());
    connection.on("message", (message) => this.#take(message));
    connection.subscribe(channels).catch(() => {});
  }

  /** One that follows trades of markets, with prices and book of the first. */
  static trades(port: number, at: number, markets: readonly number[]): RoamingClient {
    const encoding = ENCODINGS[at % ENCODINGS.length] as (typeof ENCODINGS)[number];
    const [market_id = 0] = markets;
    const trades: Channel[] = markets.map((id) => ({ type: "Trades", params: { market_id: id } }));
    return new RoamingClient(
      `client ${at}`,
      new MarketcastClient({ url: `ws://127.0.0.1:${port}`, encoding, ...QUICK }),
      [
        ...trades,
        { type: "Market", params: { market_id } },
        { type: "PriceFeed", params: { market_ids: [market_id] } },
      ],
    );
  }

  /** One that follows the orders of a wallet. */
  static orders(port: number, wallet: string): RoamingClient {
    const token = testToken({ sub: "follower", role: "admin" });
    return new RoamingClient(
      `client of ${wallet}`,
      new MarketcastClient({ url: `ws://127.0.0.1:${port}`, token, ...QUICK }),
      [{ type: "Orders", params: { wallet }, since: 0 }],
    );
  }

  #noteLoss(): void {
    this.losses.push(this.trades.length + this.fills.length);
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "Connected":
        return void this.nodes.push(message.data.node);
      case "Subscribed":
        if (message.data.channels.some(({ recovered }) => recovered === false)) this.#noteLoss();
        return;
      case "TradeExecution":
        return void this.trades.push(message.data.trade);
      case "Fill":
        return void this.fills.push(message.data.fill);
      case "PriceUpdate":
      case "OrderBook":
        return this.seqs.take(
          `${message.type} ${String(message.data.market_id)}`,
          message.data.seq,
        );
    }
  }
}
