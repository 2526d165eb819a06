import type { Command, EngineEvent } from "../engine/commands.js";
import { FeedInputError } from "../feed/feed.js";
import { DecimalScale } from "../shared/decimal-scale.js";
import type { MarketId } from "../shared/market-id.js";
import type { Refused } from "../workers/messages.js";
import type {
  MarketAction,
  MarketChange,
  MarketOutcome,
  MarketRefusal,
} from "../workers/producer/messages.js";
import type { ExchangeCore, Execute } from "./exchange-core.js";
import type { TradedMarket } from "./exchange-markets.js";

/** A request that waits, or is under way. */
interface Asked {
  readonly action: MarketAction;
  readonly answer: (outcome: MarketOutcome) => void;
}

/** One that was carried out, and what came of it so far. */
interface UnderWay extends Asked {
  readonly changed: boolean;
  cancelled: number;
  paid: number;
}

interface AdministrationDeskContext {
  readonly core: ExchangeCore;
  /** Highest price of an order in any market, in the contract's numbers. */
  readonly maxPrice: number;
  /** Something has been asked. */
  readonly asked: () => void;
}

/**
 * What operators ask of markets: turns it into commands, one a batch, and tells what came of it when that is on
 * disk; of a market that was closed or settled, when it is wound up as well.
 *
 * Invariant: each request is in one of the three places, until it is answered once.
 */
export class AdministrationDesk {
  readonly #context: AdministrationDeskContext;
  readonly #waiting: Asked[] = [];
  /** Of the present batch. */
  #inBatch: UnderWay | undefined;
  /** Their markets are being wound up. */
  #windingUp: UnderWay[] = [];

  constructor(context: AdministrationDeskContext) {
    this.#context = context;
  }

  ask(action: MarketAction): Promise<MarketOutcome> {
    return new Promise((answer) => {
      this.#waiting.push({ action, answer });
      this.#context.asked();
    });
  }

  /** Whether something has been asked that no batch has taken up. */
  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  /** Takes up the next request; with a refusal, all of them are answered by that. */
  takeUp(refusal: Refused | undefined, execute: Execute): void {
    if (refusal !== undefined) {
      for (const { answer } of this.#waiting.splice(0)) answer({ refusal: unavailable(refusal) });
      return;
    }
    const asked = this.#waiting.shift();
    if (asked === undefined) return;
    const fault = this.#faultOf(asked.action);
    if (fault !== undefined) return asked.answer({ refusal: fault });
    const { type, marketId } = asked.action;
    const before = this.#context.core.marketStatus(marketId);
    const events = execute(this.#commandOf(asked.action));
    const refused = refusalIn(events);
    if (refused !== undefined) return asked.answer({ refusal: refused });
    // One that is so by its file alone is set so from now on, and stays what it is.
    const changed =
      events.some((event) => event.type === "market") &&
      (type === "settle" || this.#context.core.marketStatus(marketId) !== before);
    this.#inBatch = { ...asked, changed, cancelled: 0, paid: 0 };
  }

  /** Counts what has come of markets that are being wound up. */
  count(events: readonly EngineEvent[]): void {
    for (const event of events) {
      if (event.type === "order") for (const one of this.#of(event.order.marketId)) one.cancelled++;
      if (event.type === "position" && event.position.quantity === 0)
        for (const one of this.#of(event.position.marketId)) one.paid++;
    }
  }

  /** The batch is on disk, and has been told. */
  committed(): void {
    const { core } = this.#context;
    const all = this.#underWay;
    this.#inBatch = undefined;
    this.#windingUp = all.filter(({ action }) => core.isWindingUp(action.marketId));
    for (const one of all)
      if (!this.#windingUp.includes(one)) one.answer({ change: this.#changeOf(one) });
  }

  /** The batch is undone, and nothing can be stored: what is under way is refused, though it may go on later. */
  undone(refusal: Refused): void {
    const all = this.#underWay;
    this.#inBatch = undefined;
    this.#windingUp = [];
    for (const { answer } of all) answer({ refusal: unavailable(refusal) });
  }

  get #underWay(): readonly UnderWay[] {
    return this.#inBatch === undefined ? this.#windingUp : [...this.#windingUp, this.#inBatch];
  }

  #of(marketId: MarketId): readonly UnderWay[] {
    return this.#underWay.filter(({ action }) => action.marketId === marketId);
  }

  // --- Requests -----------------------------------------------------------------------------------

  #faultOf(action: MarketAction): MarketRefusal | undefined {
    if (action.type === "list") return this.#listingFault(action);
    const market = this.#context.core.market(action.marketId);
    // Of one that is not listed the engine says so.
    return action.type === "settle" && market !== undefined
      ? this.#priceFault(action.price, market)
      : undefined;
  }

  #listingFault(action: Extract<MarketAction, { type: "list" }>): MarketRefusal | undefined {
    const { marketId, tickSize, maxPrice } = action;
    const { core } = this.#context;
    const isMultiple =
      maxPrice === undefined || DecimalScale.of(tickSize)?.toExactCount(maxPrice) !== undefined;
    if (!isMultiple)
      return invalid(`max_price ${maxPrice} is no exact multiple of tick_size ${tickSize}`);
    if (core.market(marketId) !== undefined) return undefined;
    try {
      core.checkListing(action);
      return undefined;
    } catch (error) {
      if (!(error instanceof FeedInputError)) throw error;
      if (error.code !== "TABLE_FULL") return invalid(error.message);
      return { code: "TABLE_FULL", message: `${error.message}; see --max-markets` };
    }
  }

  #priceFault(price: number, market: TradedMarket): MarketRefusal | undefined {
    const { priceScale, maxPrice = Number.POSITIVE_INFINITY } = market;
    const most = Math.min(maxPrice, this.#context.maxPrice);
    if (price < 0) return invalid(`price ${price} is below 0`);
    if (price > most) return invalid(`price ${price} is over the market's highest, ${most}`);
    if (priceScale.toExactCount(price) !== undefined) return undefined;
    return invalid(`price ${price} is no multiple of the tick size ${priceScale.step}`);
  }

  #commandOf(action: MarketAction): Command {
    const { marketId } = action;
    switch (action.type) {
      case "list": {
        const { type, title, tickSize, lotSize, maxPrice } = action;
        const scales = { priceScale: scaleOf(tickSize), quantityScale: scaleOf(lotSize) };
        const bounds = this.#context.core.usualBounds;
        const instrument = { marketId, status: "Active", ...scales, bounds } as const;
        return { type, instrument, listing: { title, tickSize, lotSize, maxPrice } };
      }
      case "halt":
        return { type: "set-status", marketId, status: "Halted" };
      case "resume":
        return { type: "set-status", marketId, status: "Active" };
      case "close":
        return { type: "set-status", marketId, status: "Closed" };
      case "settle": {
        const price = this.#context.core.market(marketId)?.priceScale.toCount(action.price) ?? 0;
        return { type: "settle", marketId, price };
      }
      default:
        return action satisfies never;
    }
  }

  #changeOf({ action, changed, cancelled, paid }: UnderWay): MarketChange {
    const { core } = this.#context;
    const { marketId, title, priceScale, quantityScale, maxPrice } = core.listed(action.marketId);
    const price = core.administered(marketId)?.settlementPrice;
    return {
      market: {
        market_id: marketId,
        title,
        status: core.marketStatus(marketId) ?? "Closed",
        tick_size: priceScale.step,
        lot_size: quantityScale.step,
        ...(maxPrice !== undefined && { max_price: maxPrice }),
        ...(price !== undefined && { settlement_price: priceScale.toNumber(price) }),
      },
      changed,
      orders_cancelled: cancelled,
      positions_paid: paid,
    };
  }
}

/** Why the engine would not carry out a command; undefined where it has. */
function refusalIn(events: readonly EngineEvent[]): MarketRefusal | undefined {
  for (const event of events) {
    if (event.type === "conflict") return { code: event.code, message: event.message };
    if (event.type === "rejected")
      return { code: "MARKET_NOT_FOUND", message: event.rejection.message };
  }
  return undefined;
}

function invalid(message: string): MarketRefusal {
  return { code: "INVALID_MESSAGE", message };
}

function unavailable({ message }: Refused): MarketRefusal {
  return { code: "UNAVAILABLE", message };
}

/** Of a step that has been checked. */
function scaleOf(step: number): DecimalScale {
  const scale = DecimalScale.of(step);
  if (scale === undefined) throw new Error(`${step} is no step`);
  return scale;
}
