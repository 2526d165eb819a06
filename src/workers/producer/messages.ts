import type { MarketConflict } from "../../engine/commands.js";
import type { MarketDefinition, MarketStatus } from "../../shared/market.js";
import type { MarketId } from "../../shared/market-id.js";
import type { RelayTarget } from "../../shared/relay-url.js";

/*
 * What operators ask of the exchange's markets, and what comes of it, on its way between main and the producer.
 */

/** What an operator may ask of a market, in the contract's numbers. */
export type MarketAction =
  | ({ readonly type: "list"; readonly maxPrice: number | undefined } & MarketDefinition)
  | { readonly type: "halt" | "resume" | "close"; readonly marketId: MarketId }
  | { readonly type: "settle"; readonly marketId: MarketId; readonly price: number };

/** A market after what was asked of it, in the names that operators are told it by. */
export interface MarketChange {
  readonly market: {
    readonly market_id: MarketId;
    readonly title: string;
    readonly status: MarketStatus;
    readonly tick_size: number;
    readonly lot_size: number;
    readonly max_price?: number;
    readonly settlement_price?: number;
  };
  /** False where it was so already. */
  readonly changed: boolean;
  /** What this has done; not what had been done before. */
  readonly orders_cancelled: number;
  readonly positions_paid: number;
}

export interface MarketRefusal {
  readonly code:
    | MarketConflict
    | "INVALID_MESSAGE"
    | "MARKET_NOT_FOUND"
    | "TABLE_FULL"
    | "NO_EXCHANGE"
    | "UNAVAILABLE";
  readonly message: string;
}

export type MarketOutcome = { readonly change: MarketChange } | { readonly refusal: MarketRefusal };

/** Of an exchange that others may stand by for. */
export interface FollowedTask {
  /** The memory of the {@link JournalMarks}. */
  readonly marks: SharedArrayBuffer;
  readonly target: RelayTarget;
  /** Of the keys. */
  readonly prefix: string;
  /** The number of this origin. */
  readonly fence: number;
  /** Nothing is told before a standby has it on its disk. */
  readonly required: boolean;
  /** How long a batch may wait for that, in ms. */
  readonly timeoutMs: number;
  /** What is kept of the journal on disk, in bytes. */
  readonly keptJournalBytes: number;
  /** The history may be another node's by now: Redis is asked first. */
  readonly claims: boolean;
}
