import type { Channel } from "../../src/contract/channels-schema.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import type { MarketId } from "../../src/shared/market-id.js";

const STREAMS = ["state", "price", "book", "trade"] as const;
export type StreamName = (typeof STREAMS)[number];

/** Where one stream of one market stands. */
interface Position {
  seq: number | undefined;
  /** First data is due: from a subscription whose stream had been live before, or had not. */
  due: "again" | "anew" | undefined;
}

/**
 * Follows what one connection subscribes to and checks every sequence number it is sent: first data
 * stands where the connection stood if that was subscribed already, never before it; from there on
 * each message has its predecessor's number + 1; and nothing comes after `Unsubscribed`.
 *
 * Jumps forward of states, prices and books count as conflated; everything else is a fault.
 */
export class StreamChecker {
  readonly faults: string[] = [];
  /** Numbers left out, of all streams that may be conflated. */
  skipped = 0;
  readonly received: Record<StreamName, number> = { state: 0, price: 0, book: 0, trade: 0 };
  readonly #subscribed: Record<StreamName, Set<MarketId>> = {
    state: new Set(),
    price: new Set(),
    book: new Set(),
    trade: new Set(),
  };
  readonly #positions = new Map<string, Position>();
  #allTrades = false;

  take(message: ServerMessage): void {
    switch (message.type) {
      // The server names channels in canonical form.
      case "Subscribed":
        for (const channel of message.data.channels) this.#change(channel as Channel, true);
        break;
      case "Unsubscribed":
        for (const channel of message.data.channels) this.#change(channel as Channel, false);
        break;
      case "MarketSnapshot":
        for (const { market_id, seq } of message.data.markets) this.#check("state", market_id, seq);
        break;
      case "MarketUpdate":
        this.#check("state", message.data.market.market_id, message.data.market.seq);
        break;
      case "PriceUpdate":
        this.#check("price", message.data.market_id, message.data.seq);
        break;
      case "OrderBook":
        this.#check("book", message.data.market_id, message.data.seq);
        break;
      case "TradeExecution":
        this.#check("trade", message.data.trade.market_id, message.data.trade.seq);
    }
  }

  #change(channel: Channel, subscribed: boolean): void {
    if (channel.type === "PriceFeed") {
      for (const id of channel.params.market_ids) this.#set("price", id, subscribed);
    } else if (channel.type === "Market") {
      this.#set("state", channel.params.market_id, subscribed);
      this.#set("book", channel.params.market_id, subscribed);
    } else if (channel.type === "Trades" && channel.params !== null) {
      this.#set("trade", channel.params.market_id, subscribed);
    } else if (channel.type === "Trades") {
      // Trades of markets that are subscribed by themselves go on without a gap.
      for (const [key, position] of this.#positions) {
        const [stream, id] = key.split(" ") as [StreamName, string];
        if (stream === "trade" && !this.#live("trade", Number(id))) position.due = "anew";
      }
      this.#allTrades = subscribed;
    }
  }

  #set(stream: StreamName, id: MarketId, subscribed: boolean): void {
    const live = this.#live(stream, id);
    if (subscribed) this.#subscribed[stream].add(id);
    else this.#subscribed[stream].delete(id);
    if (!subscribed || (stream === "trade" && live)) return;
    this.#position(stream, id).due = live ? "again" : "anew";
  }

  #live(stream: StreamName, id: MarketId): boolean {
    return this.#subscribed[stream].has(id) || (stream === "trade" && this.#allTrades);
  }

  #position(stream: StreamName, id: MarketId): Position {
    const key = `${stream} ${id}`;
    const position = this.#positions.get(key) ?? { seq: undefined, due: "anew" };
    this.#positions.set(key, position);
    return position;
  }

  #check(stream: StreamName, id: MarketId, seq: number): void {
    this.received[stream]++;
    const position = this.#position(stream, id);
    const { seq: last, due } = position;
    position.seq = seq;
    position.due = undefined;
    const fault = (what: string): void => {
      this.faults.push(`${stream} of ${id}: ${what}, ${last} -> ${seq}`);
    };
    if (!this.#live(stream, id)) fault("not subscribed");
    else if (last === undefined) return;
    else if (due === "again" && seq !== last) fault("first data again is not where it stood");
    else if (due === "anew" && seq < last + (stream === "trade" ? 1 : 0)) fault("goes back");
    else if (due === undefined && seq <= last) fault("repeated or goes back");
    else if (due === undefined && seq > last + 1) {
      if (stream === "trade") fault("trade lost");
      else this.skipped += seq - last - 1;
    }
  }
}
