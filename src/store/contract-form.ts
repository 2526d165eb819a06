import type {
  Fill as ContractFill,
  Order as ContractOrder,
  Position as ContractPosition,
  Trade as ContractTrade,
} from "../contract/messages.js";
import type { Order, Position, Trade } from "../engine/order.js";
import { countToNumber, type DecimalScale } from "../shared/decimal-scale.js";
import type { Side } from "../shared/market.js";
import type { Liquidity } from "../shared/order.js";

export type { ContractFill, ContractOrder, ContractPosition };

/** The steps that a market's prices and quantities are counted in. */
export interface MarketScales {
  readonly priceScale: DecimalScale;
  readonly quantityScale: DecimalScale;
}

/**
 * A trade as everybody knows it, but with the time of its match: `TradeExecution` has a sequence number,
 * and the time of its publication.
 */
type StoredTrade = Omit<ContractTrade, "seq">;

/** Decimals of a quotient of whole numbers: more than the digits of any double. */
const QUOTIENT_DECIMALS = 20;

/** The mean price of `value` ticks × lots over `quantity` lots: the number nearest to it. */
function averagePrice(value: bigint, quantity: number, { priceScale }: MarketScales): number {
  const ticks = (value * 10n ** BigInt(QUOTIENT_DECIMALS)) / BigInt(quantity);
  return countToNumber(ticks, [priceScale], QUOTIENT_DECIMALS);
}

/** The number nearest to a value in ticks × lots. */
function toAmount(value: bigint, { priceScale, quantityScale }: MarketScales): number {
  return countToNumber(value, [priceScale, quantityScale]);
}

/** The contract's `Order`. */
export function toContractOrder(order: Order, scales: MarketScales): ContractOrder {
  const { priceScale, quantityScale } = scales;
  return {
    order_id: String(order.orderId),
    ...(order.clientOrderId !== undefined && { client_order_id: order.clientOrderId }),
    market_id: order.marketId,
    wallet: order.wallet,
    side: order.side,
    order_type: order.orderType,
    time_in_force: order.timeInForce,
    post_only: order.postOnly,
    ...(order.price !== undefined && { price: priceScale.toNumber(order.price) }),
    quantity: quantityScale.toNumber(order.quantity),
    filled_quantity: quantityScale.toNumber(order.filled),
    ...(order.filled > 0 && {
      average_price: averagePrice(order.filledValue, order.filled, scales),
    }),
    status: order.status,
    ...(order.reason !== undefined && { reason: order.reason }),
    ...(order.reasonCode !== undefined && { reason_code: order.reasonCode }),
    ...(order.expiresTs !== undefined && { expires_ts: order.expiresTs }),
    created_ts: order.createdTs,
    updated_ts: order.updatedTs,
  };
}

/** The contract's `Position`. */
export function toContractPosition(position: Position, scales: MarketScales): ContractPosition {
  const { quantity, cost } = position;
  return {
    wallet: position.wallet,
    market_id: position.marketId,
    quantity: scales.quantityScale.toNumber(quantity),
    average_price: quantity === 0 ? 0 : averagePrice(cost, quantity, scales),
    realized_pnl: toAmount(position.realizedPnl, scales),
    updated_ts: position.updatedTs,
  };
}

/** The contract's `Fill` of the order that rested, and of the one that came to trade. */
export function toContractFills(
  trade: Trade,
  scales: MarketScales,
): readonly [maker: ContractFill, taker: ContractFill] {
  const { takerSide, makerOrderId, takerOrderId, makerClientOrderId, takerClientOrderId } = trade;
  const fill = (
    orderId: number,
    clientOrderId: string | undefined,
    wallet: string,
    side: Side,
    liquidity: Liquidity,
  ): ContractFill => ({
    trade_id: String(trade.tradeId),
    order_id: String(orderId),
    ...(clientOrderId !== undefined && { client_order_id: clientOrderId }),
    market_id: trade.marketId,
    wallet,
    side,
    price: scales.priceScale.toNumber(trade.price),
    quantity: scales.quantityScale.toNumber(trade.quantity),
    liquidity,
    ts: trade.ts,
  });
  const makerSide = takerSide === "Buy" ? "Sell" : "Buy";
  return [
    fill(makerOrderId, makerClientOrderId, trade.makerWallet, makerSide, "Maker"),
    fill(takerOrderId, takerClientOrderId, trade.takerWallet, takerSide, "Taker"),
  ];
}

/** The contract's `trade` of a `TradeExecution`, but for `seq` and `ts`, which its publisher gives. */
export function toContractTrade(trade: Trade, scales: MarketScales): StoredTrade {
  return {
    trade_id: String(trade.tradeId),
    market_id: trade.marketId,
    price: scales.priceScale.toNumber(trade.price),
    quantity: scales.quantityScale.toNumber(trade.quantity),
    taker_side: trade.takerSide,
    ts: trade.ts,
  };
}
