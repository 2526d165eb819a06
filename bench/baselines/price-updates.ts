import { nowMicros } from "../../src/shared/clock.js";

/** Shaped as the server's own `PriceUpdate`. */
export interface PriceUpdate {
  readonly type: "PriceUpdate";
  readonly data: {
    readonly market_id: number;
    readonly price: number;
    readonly best_bid: number;
    readonly best_ask: number;
    readonly seq: number;
    readonly ts: number;
  };
}

const MARKETS = 1000;
const FIRST_MARKET_ID = 1001;
const SEQ_DIGITS_MAX = 15;

/**
 * Makes price updates whose JSON is `messageBytes` long, give or take the digits of the prices: the
 * sequence number starts with as many digits as it takes. `ts` is the moment of the call.
 */
export function priceUpdates(messageBytes: number): () => PriceUpdate {
  let count = 0;
  const make = (firstSeq: number): PriceUpdate => {
    const ticks = 400 + (count % 199);
    return {
      type: "PriceUpdate",
      data: {
        market_id: FIRST_MARKET_ID + (count % MARKETS),
        price: ticks / 1000,
        best_bid: (ticks - 1) / 1000,
        best_ask: (ticks + 1) / 1000,
        seq: firstSeq + count++,
        ts: nowMicros(),
      },
    };
  };
  const shortest = JSON.stringify(make(1)).length;
  const digits = Math.min(Math.max(messageBytes - shortest, 0) + 1, SEQ_DIGITS_MAX);
  return () => make(10 ** (digits - 1));
}
