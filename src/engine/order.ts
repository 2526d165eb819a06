import type { CancelReason } from "../contract/order-rules.js";
import type { Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { OrderStatus, OrderType, SelfTrade, TimeInForce } from "../shared/order.js";

/*
 * What the engine knows, in integers: prices in ticks, quantities in lots, values in ticks × lots,
 * times in microseconds since the Unix epoch. Values may exceed 2^53 and are BigInts.
 */

/** What an order asks for. Price and quantity are what the last amend made of them. */
export interface OrderTerms {
  readonly marketId: MarketId;
  readonly wallet: string;
  readonly clientOrderId: string | undefined;
  readonly side: Side;
  readonly orderType: OrderType;
  /** IOC for a Market order. */
  readonly timeInForce: TimeInForce;
  readonly postOnly: boolean;
  /** Undefined for a Market order. */
  readonly price: number | undefined;
  readonly quantity: number;
  readonly selfTrade: SelfTrade;
  /** When a GTD order expires; undefined for any other. */
  readonly expiresTs: number | undefined;
  /** The connection whose end cancels the order, if one does. */
  readonly session: string | undefined;
}

/** What an amend may change, as it was before the first one. */
export type OriginalTerms = Required<Pick<OrderTerms, "price" | "quantity">>;

/** Why an order is cancelled, for programs and for people. */
export interface CancelCause {
  readonly code: CancelReason;
  readonly text: string;
}

/** When a wallet's open orders are cancelled, unless it asks anew before. */
export interface WalletTimer {
  readonly wallet: string;
  /** When it was asked for, and how long after that in time that passes it is due. */
  readonly setTs: number;
  /** Undefined: it is over. */
  readonly triggerTs: number | undefined;
}

/** One version of an order: a change makes another object, so whoever holds one keeps what it was. */
export interface Order extends OrderTerms {
  /** Counts from 1; never used twice. */
  readonly orderId: number;
  /**
   * Its place among the orders of its price: lower ones come first. Its id, until an amend puts it behind
   * all others; never used twice, by ids neither.
   */
  readonly priority: number;
  /** As it was placed, where an amend has changed that. */
  readonly original: OriginalTerms | undefined;
  readonly filled: number;
  /** Sum of price × quantity over its fills. */
  readonly filledValue: bigint;
  readonly status: OrderStatus;
  /** Why it was cancelled. */
  readonly reason: string | undefined;
  /** The same for programs; undefined for an order that an earlier version has cancelled. */
  readonly reasonCode: CancelReason | undefined;
  readonly createdTs: number;
  readonly updatedTs: number;
}

export interface Trade {
  /** Counts from 1; never used twice. */
  readonly tradeId: number;
  readonly marketId: MarketId;
  readonly price: number;
  readonly quantity: number;
  readonly takerSide: Side;
  readonly makerOrderId: number;
  readonly takerOrderId: number;
  readonly makerWallet: string;
  readonly takerWallet: string;
  readonly makerClientOrderId: string | undefined;
  readonly takerClientOrderId: string | undefined;
  readonly ts: number;
}

/** One version of what a wallet holds of a market. */
export interface Position {
  readonly wallet: string;
  readonly marketId: MarketId;
  /** Signed: negative is short. */
  readonly quantity: number;
  /** What the open quantity was bought for; of a short one the negative of what it was sold for. */
  readonly cost: bigint;
  readonly realizedPnl: bigint;
  readonly updatedTs: number;
}

/** What trading has made of a market so far. */
export interface MarketTotals {
  readonly marketId: MarketId;
  /** Price of the last trade; undefined before any. */
  readonly lastPrice: number | undefined;
  /** Quantity traded since the listing. */
  readonly volume: number;
}
