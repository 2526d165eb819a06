import type { Position } from "../engine/order.js";
import type { MarketId } from "../shared/market-id.js";

import { requireKey } from "./record-key.js";
import { positionForm } from "./records.js";
import { reasonOf } from "./store-error.js";

/** The longest there is. */
const MARKET_ID_MAX: MarketId = String((1n << 128n) - 1n);

/** Names that can be stored whatever else is. */
const PLAIN = /^[\x21-\x7e]{1,64}$/;

/** Why nothing of a wallet could be stored and read again; undefined where it can be. */
export function walletFault(wallet: string): string | undefined {
  if (PLAIN.test(wallet)) return undefined;
  const position: Position = {
    wallet,
    marketId: MARKET_ID_MAX,
    quantity: 0,
    cost: 0n,
    realizedPnl: 0n,
    updatedTs: 0,
  };
  try {
    positionForm.encode(position);
    requireKey(positionForm.keyOf(position));
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
