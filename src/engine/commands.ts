import type { MarketStatus, Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { AdministeredMarket, Instrument, Listing } from "./market.js";
import type {
  CancelCause,
  MarketTotals,
  Order,
  OrderTerms,
  Position,
  Trade,
  WalletTimer,
} from "./order.js";
import type { Rejection } from "./rejection.js";

/** What the engine is told. All of it is valid in form: see admission.ts. */
export type Command =
  | {
      readonly type: "place";
      readonly terms: OrderTerms;
      /** Refused where it is taken later. */
      readonly validUntilTs?: number;
      /** Only says whether it would be taken. */
      readonly validateOnly?: boolean;
    }
  /** What is not given stays. `quantity` is the new total. */
  | {
      readonly type: "amend";
      readonly wallet: string;
      readonly order: OrderReference;
      readonly price?: number;
      readonly quantity?: number;
    }
  | {
      readonly type: "cancel";
      readonly wallet: string;
      readonly order: OrderReference;
      /** What the order carries; by default, that it was asked for. */
      readonly cause?: CancelCause;
    }
  /** Every open order of a wallet that fits. */
  | {
      readonly type: "cancel-all";
      readonly wallet: string;
      readonly marketId?: MarketId;
      readonly side?: Side;
    }
  /** A wallet's open orders are to be cancelled after that time, 0 for never, unless it says so again. */
  | { readonly type: "cancel-after"; readonly wallet: string; readonly timeoutMs: number }
  /** Has what is due happen; no more of it is begun once so many orders have ended. */
  | { readonly type: "expire"; readonly most: number }
  /** A connection has ended: its orders that are bound to it are cancelled. */
  | { readonly type: "end-session"; readonly session: string; readonly reason: string }
  /** Lists a market, which is active. */
  | { readonly type: "list"; readonly instrument: Instrument; readonly listing: Listing }
  /** `Closed` is for good, and has what is open there cancelled by `wind-up`. */
  | { readonly type: "set-status"; readonly marketId: MarketId; readonly status: MarketStatus }
  /** Closes a market for good, and has its positions paid at a price, in ticks, by `wind-up`. */
  | { readonly type: "settle"; readonly marketId: MarketId; readonly price: number }
  /** Goes on with what is left to do of markets that were closed or settled, so many orders and positions of it. */
  | { readonly type: "wind-up"; readonly most: number };

export type OrderReference = { readonly orderId: number } | { readonly clientOrderId: string };

/**
 * What came of a command, in the order in which it happened. The order that a `place`, `amend` or `cancel`
 * is about comes once, as the last `order` event, in its state after all of the command.
 */
export type EngineEvent =
  /** An order was cancelled as its time has come, before the command. */
  | { readonly type: "lapsed"; readonly order: Order }
  | { readonly type: "trade"; readonly trade: Trade }
  | { readonly type: "order"; readonly order: Order }
  /** One for each wallet and market that the command changed, after the trades. */
  | { readonly type: "position"; readonly position: Position }
  /** The order is as the command would have it already. */
  | { readonly type: "unchanged"; readonly order: Order }
  /** The order would be taken. */
  | { readonly type: "validated" }
  | { readonly type: "timer"; readonly timer: WalletTimer }
  /** The command changed nothing. */
  | { readonly type: "rejected"; readonly rejection: Rejection }
  /** What was set of a market. Where it was so already, there is no event. */
  | { readonly type: "market"; readonly market: AdministeredMarket }
  /** A market cannot be as the command would have it. */
  | { readonly type: "conflict"; readonly code: MarketConflict; readonly message: string }
  /** The client order id was used before: `order` is the first one, if it is open or has just changed. */
  | { readonly type: "duplicate"; readonly orderId: number; readonly order: Order | undefined };

/** What of a market keeps another from being set. */
export type MarketConflict = "MARKET_EXISTS" | "MARKET_CLOSED" | "MARKET_SETTLED";

/** The latest version of all that has changed since the changes were last taken. */
export interface EngineChanges {
  readonly orders: readonly Order[];
  readonly trades: readonly Trade[];
  readonly positions: readonly Position[];
  readonly totals: readonly MarketTotals[];
  readonly timers: readonly WalletTimer[];
  readonly markets: readonly AdministeredMarket[];
  readonly nextOrderId: number;
  readonly nextTradeId: number;
}

/** A client order id of a finished order, which is remembered for some time after its end. */
export interface RememberedClientOrderId {
  readonly wallet: string;
  readonly clientOrderId: string;
  readonly orderId: number;
  readonly finishedTs: number;
}

/** All that an engine is rebuilt from; each part can be gone through more than once. */
export interface EngineState {
  /** Open orders, by ascending id. */
  readonly openOrders: Iterable<Order>;
  /** Of finished orders, the oldest first; those of open orders follow from them. */
  readonly clientOrderIds: Iterable<RememberedClientOrderId>;
  readonly positions: Iterable<Position>;
  readonly totals: Iterable<MarketTotals>;
  /** Those that are not over. */
  readonly timers: Iterable<WalletTimer>;
  /** Those of which anything was set while the exchange ran. */
  readonly markets: Iterable<AdministeredMarket>;
  readonly nextOrderId: number;
  readonly nextTradeId: number;
}
