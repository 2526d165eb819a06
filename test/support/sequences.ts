import type { ServerMessage } from "../../src/contract/messages.js";

/** A market's number in one of its streams. */
interface Position {
  readonly stream: string;
  readonly marketId: string | number;
  readonly seq: number;
}

/**
 * Checks the rule of sequence numbers for one connection: in every stream of every market each
 * message carries its predecessor's number + 1. First data starts a stream anew.
 */
export class Sequences {
  /** What broke the rule, in words; empty while nothing has. */
  readonly jumps: string[] = [];
  /** Messages by stream. */
  readonly counts = new Map<string, number>();
  readonly #last = new Map<string, number>();

  /** Forgets where the streams stand: the next message of each may have any number. */
  restart(): void {
    this.#last.clear();
  }

  /** Where a stream of a market stands. */
  last(stream: string, marketId: string | number): number | undefined {
    return this.#last.get(`${stream} ${marketId}`);
  }

  take(message: ServerMessage): void {
    for (const { stream, marketId, seq } of positionsOf(message)) {
      const key = `${stream} ${marketId}`;
      const before = this.#last.get(key);
      this.#last.set(key, seq);
      this.counts.set(stream, (this.counts.get(stream) ?? 0) + 1);
      if (message.type === "MarketSnapshot" || before === undefined) continue;
      if (seq !== before + 1) this.jumps.push(`${key}: ${before} -> ${seq}`);
    }
  }
}

function positionsOf(message: ServerMessage): readonly Position[] {
  switch (message.type) {
    case "MarketSnapshot":
      return message.data.markets.map((market) => position("state", market));
    case "MarketUpdate":
      return [position("state", message.data.market)];
    case "PriceUpdate":
      return [position("price", message.data)];
    case "OrderBook":
      return [position("book", message.data)];
    case "TradeExecution":
      return [position("trade", message.data.trade)];
    default:
      return [];
  }
}

function position(
  stream: string,
  { market_id: marketId, seq }: { readonly market_id: string | number; readonly seq: number },
): Position {
  return { stream, marketId, seq };
}
