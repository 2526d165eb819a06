import type { Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { OrderTerms, Position } from "./order.js";
import { tradeValue } from "./trade-value.js";

/** What a wallet holds of a market, and what its open orders may add to that. */
export interface Holding {
  /** Undefined before the first trade; set by {@link Positions.set} alone. */
  position: Position | undefined;
  /** Lots of open orders that are not filled, by side. */
  readonly open: Record<Side, number>;
}

/**
 * Every wallet's holdings. A holding without trades goes with its last open order.
 *
 * Invariant: a holding is among its market's exactly when it has a position.
 */
export class Positions {
  readonly #wallets = new Map<string, Map<MarketId, Holding>>();
  /** In the order of their first trades. */
  readonly #markets = new Map<MarketId, Set<Holding>>();

  get(wallet: string, marketId: MarketId): Holding | undefined {
    return this.#wallets.get(wallet)?.get(marketId);
  }

  /** The holding of a wallet in a market, an empty one where there was none. */
  take(wallet: string, marketId: MarketId): Holding {
    let holdings = this.#wallets.get(wallet);
    if (holdings === undefined) {
      holdings = new Map();
      this.#wallets.set(wallet, holdings);
    }
    let holding = holdings.get(marketId);
    if (holding === undefined) {
      holding = { position: undefined, open: { Buy: 0, Sell: 0 } };
      holdings.set(marketId, holding);
    }
    return holding;
  }

  /** Gives a holding its next position. */
  set(holding: Holding, position: Position): void {
    if (holding.position === undefined) {
      const { marketId } = position;
      const traded = this.#markets.get(marketId);
      if (traded === undefined) this.#markets.set(marketId, new Set([holding]));
      else traded.add(holding);
    }
    holding.position = position;
  }

  /** Holdings of a market that have a position, flat ones too, in the order of their first trades. */
  ofMarket(marketId: MarketId): Iterable<Holding> {
    return this.#markets.get(marketId) ?? [];
  }

  /** Adds to the lots of a wallet's open orders, or takes from them. */
  changeOpen({ wallet, marketId, side }: OrderTerms, lots: number): void {
    const { open, position } = this.take(wallet, marketId);
    open[side] += lots;
    if (position === undefined && open.Buy === 0 && open.Sell === 0) this.#forget(wallet, marketId);
  }

  /** Whether a wallet has open orders; in a market and of a side, where those are given. */
  hasOpen(wallet: string, marketId: MarketId | undefined, side: Side | undefined): boolean {
    const all = this.#wallets.get(wallet);
    const holdings = marketId === undefined ? [...(all?.values() ?? [])] : [all?.get(marketId)];
    const lotsOf = ({ open }: Holding) => (side === undefined ? open.Buy + open.Sell : open[side]);
    return holdings.some((holding) => holding !== undefined && lotsOf(holding) > 0);
  }

  /** Positions of a wallet, flat ones with history too. */
  *ofWallet(wallet: string): Iterable<Position> {
    for (const { position } of this.#wallets.get(wallet)?.values() ?? [])
      if (position !== undefined) yield position;
  }

  #forget(wallet: string, marketId: MarketId): void {
    const holdings = this.#wallets.get(wallet);
    holdings?.delete(marketId);
    if (holdings?.size === 0) this.#wallets.delete(wallet);
  }
}

/** The most that a wallet's position could grow to on a side if all of its open orders were filled. */
export function exposure({ position, open }: Holding, side: Side): number {
  const quantity = position?.quantity ?? 0;
  return open[side] + Math.max(0, side === "Buy" ? quantity : -quantity);
}

/** The position on a side, negative while it is on the other, if all of the side's open orders were filled. */
export function reach({ position, open }: Holding, side: Side): number {
  const quantity = position?.quantity ?? 0;
  return open[side] + (side === "Buy" ? quantity : -quantity);
}

/** A position in a market that the wallet has not traded yet. */
export function flatPosition(wallet: string, marketId: MarketId): Position {
  return { wallet, marketId, quantity: 0, cost: 0n, realizedPnl: 0n, updatedTs: 0 };
}

/**
 * A position after a fill. What the fill closes takes its share of the cost along, truncated toward
 * zero, and realizes the difference to the fill's price; what it opens adds to the cost. Whatever is
 * cut off stays in the cost, so `realizedPnl − cost` moves by exactly the fill's value.
 *
 * @param price in ticks
 * @param quantity in lots
 */
export function afterFill(
  position: Position,
  side: Side,
  price: number,
  quantity: number,
  ts: number,
): Position {
  const signed = side === "Buy" ? quantity : -quantity;
  const held = position.quantity;
  let { cost, realizedPnl } = position;
  const closed = signed > 0 === held > 0 ? 0 : Math.min(quantity, Math.abs(held));
  const opened = quantity - closed;
  if (closed > 0) {
    const released = (cost * BigInt(closed)) / BigInt(Math.abs(held));
    const value = tradeValue(price, closed);
    cost -= released;
    realizedPnl += (signed > 0 ? -value : value) - released;
  }
  if (opened > 0) {
    const value = tradeValue(price, opened);
    cost += signed > 0 ? value : -value;
  }
  const { wallet, marketId } = position;
  return { wallet, marketId, quantity: held + signed, cost, realizedPnl, updatedTs: ts };
}
