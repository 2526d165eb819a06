import type { MarketStatus } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { Command, EngineEvent, MarketConflict } from "./commands.js";
import { type AdministeredMarket, type Listing, type Market, statusOf } from "./market.js";
import type { Markets } from "./markets.js";
import { CANCEL_CAUSE } from "./order-rules.js";
import { marketNotFound } from "./rejection.js";
import { type Ending, WindUp, type WindUpContext } from "./wind-up.js";

interface AdministrationContext extends WindUpContext {
  readonly markets: Markets;
}

type CommandOf<T extends Command["type"]> = Extract<Command, { readonly type: T }>;

/**
 * What is set of markets while the exchange runs: they are listed, halted, resumed, closed and settled. What was
 * set already is set again without a change, so that whoever missed the answer may ask again.
 *
 * Invariants: a market that was closed here takes no orders any more. It is among `#windUps` from then, and
 * from a restore, until it has no open orders and, where it is settled, no position that is not flat.
 */
export class Administration {
  readonly #context: AdministrationContext;
  readonly #windUps = new Map<Market, WindUp>();

  constructor(context: AdministrationContext) {
    this.#context = context;
  }

  carryOut(
    command: CommandOf<"list" | "set-status" | "settle" | "wind-up">,
    ts: number,
  ): readonly EngineEvent[] {
    if (command.type === "wind-up") return this.#windUp(command.most, ts);
    if (command.type === "list") return this.#list(command, ts);
    const market = this.#context.markets.get(command.marketId);
    if (market === undefined)
      return [{ type: "rejected", rejection: marketNotFound(command.marketId) }];
    return command.type === "settle"
      ? this.#settle(market, command.price, ts)
      : this.#setStatus(market, command.status, ts);
  }

  #list({ instrument, listing }: CommandOf<"list">, ts: number): EngineEvent[] {
    const { marketId } = instrument;
    const market = this.#context.markets.get(marketId);
    if (market === undefined)
      return this.#set(this.#context.markets.list(instrument), "Active", listing, undefined, ts);
    const before = market.administered?.listing;
    if (before !== undefined && isSame(before, listing)) return [];
    return conflict(
      "MARKET_EXISTS",
      `market ${marketId} is listed already; it is ${market.status}`,
    );
  }

  #setStatus(market: Market, status: MarketStatus, ts: number): EngineEvent[] {
    const { administered } = market;
    if (market.status === "Closed" && status !== "Closed") return closed(market, status);
    if (administered?.status === status) return [];
    const events = this.#set(market, status, administered?.listing, undefined, ts);
    if (status === "Closed") this.#begin(market);
    return events;
  }

  /** @param price in ticks */
  #settle(market: Market, price: number, ts: number): EngineEvent[] {
    const { settlementPrice, listing } = market.administered ?? {};
    if (settlementPrice === price) return [];
    if (settlementPrice !== undefined) {
      const { marketId, priceScale } = market.instrument;
      const [asked, paid] = [price, settlementPrice].map((ticks) => priceScale.toNumber(ticks));
      const message = `market ${marketId} is settled at ${paid}, and cannot be at ${asked}`;
      return conflict("MARKET_SETTLED", message);
    }
    const events = this.#set(market, "Closed", listing, price, ts);
    this.#begin(market);
    return events;
  }

  /** Takes over what an earlier engine has set of a market that is listed. */
  restore(market: Market, administered: AdministeredMarket): void {
    market.administered = administered;
    market.status = statusOf(market.instrument.status, administered);
    if (administered.status === "Closed") this.#begin(market);
  }

  #windUp(most: number, ts: number): EngineEvent[] {
    const events: EngineEvent[] = [];
    let rest = most;
    for (const [market, windUp] of this.#windUps) {
      const { orders, positions, left } = windUp.step(rest, ts);
      for (const order of orders) events.push({ type: "order", order });
      for (const position of positions) events.push({ type: "position", position });
      rest = left;
      if (rest <= 0) break;
      this.#windUps.delete(market);
    }
    return events;
  }

  /** Whether anything is left to do of markets that were closed, or of one. */
  isWindingUp(marketId?: MarketId): boolean {
    if (this.#windUps.size === 0 || marketId === undefined) return this.#windUps.size > 0;
    const market = this.#context.markets.get(marketId);
    return market !== undefined && this.#windUps.has(market);
  }

  #begin(market: Market): void {
    this.#windUps.set(market, new WindUp(market, endingOf(market.administered), this.#context));
  }

  #set(
    market: Market,
    status: MarketStatus,
    listing: Listing | undefined,
    settlementPrice: number | undefined,
    ts: number,
  ): EngineEvent[] {
    const { marketId } = market.instrument;
    const set: AdministeredMarket = { marketId, status, settlementPrice, listing, updatedTs: ts };
    market.administered = set;
    market.status = statusOf(market.instrument.status, set);
    this.#context.changes.market(set);
    return [{ type: "market", market: set }];
  }
}

function endingOf(administered: AdministeredMarket | undefined): Ending {
  const price = administered?.settlementPrice;
  const { marketClosed, marketSettled } = CANCEL_CAUSE;
  return { cause: price === undefined ? marketClosed : marketSettled, price };
}

function isSame(one: Listing, other: Listing): boolean {
  return (
    one.title === other.title &&
    one.tickSize === other.tickSize &&
    one.lotSize === other.lotSize &&
    one.maxPrice === other.maxPrice
  );
}

function closed(market: Market, status: MarketStatus): EngineEvent[] {
  const { marketId, priceScale } = market.instrument;
  const price = market.administered?.settlementPrice;
  if (price === undefined)
    return conflict("MARKET_CLOSED", `market ${marketId} is Closed, and cannot be ${status} again`);
  const message = `market ${marketId} is settled at ${priceScale.toNumber(price)}, and cannot be ${status} again`;
  return conflict("MARKET_SETTLED", message);
}

function conflict(code: MarketConflict, message: string): EngineEvent[] {
  return [{ type: "conflict", code, message }];
}
