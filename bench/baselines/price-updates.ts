import { nowMicros } from "../../src/shared/clock.js";
import { stampOf } from "../support/due-time.js";

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
 * Makes price updates whose JSON is `messageBytes` long, the sequence number
 * starting with as many digits as it takes. Each call is given when its message was due, which the
 * prices carry; `ts` is the moment of the call.
 */
export function priceUpdates(messageBytes: number): (dueMicros: number) => PriceUpdate {
  let count = 0;
  const make = (firstSeq: number, dueMicros: number): PriceUpdate => {
    const stamp = stampOf(dueMicros);
    return {
      type: "PriceUpdate",
      data: {
        market_id: FIRST_MARKET_ID + (count % MARKETS),
        price: stamp,
        best_bid: stamp,
        best_ask: stamp + 1,
        seq: firstSeq + count++,
        ts: nowMicros(),
      },
    };
  };
  const shortest = JSON.stringify(make(1, 0)).length;
  const digits = Math.min(Math.max(messageBytes - shortest, 0) + 1, SEQ_DIGITS_MAX);
  return (dueMicros) => make(10 ** (digits - 1), dueMicros);
}
