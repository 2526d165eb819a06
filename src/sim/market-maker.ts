import type { Command } from "../engine/commands.js";
import type { Order } from "../engine/order.js";
import { SIDES, type Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { Random } from "../shared/random.js";
import { FairValue } from "./fair-value.js";

/** Price levels that are quoted a side, where the bound on open orders allows it. */
export const QUOTE_LEVELS_MAX = 15;

/** Most commands of one requote: a market is quoted from the inside out, while others get theirs. */
const COMMANDS_MAX = 8;

/** Largest distance of the best quotes from the fair value, in ticks. */
const HALF_SPREAD_MAX = 2;

/** Quantity of a quote in lots; deeper ones are larger. */
const QUANTITY_MIN = 20;
const QUANTITY_SPREAD = 100;
const QUANTITY_SPREAD_PER_LEVEL = 20;

export interface MarketMakerOptions {
  readonly marketId: MarketId;
  readonly wallet: string;
  /** First fair value, in ticks. */
  readonly start: number;
  /** All prices stay below it, in ticks; Infinity for none. */
  readonly priceMax: number;
  /** How far prices are expected to range, in ticks; by default up to the highest, if there is one. */
  readonly range?: number;
  /** Largest quantity of an order, in lots; by default any. */
  readonly quantityMax?: number;
  /** Levels to quote a side, at most {@link QUOTE_LEVELS_MAX}. */
  readonly levels: number;
}

/**
 * Quotes one market for one wallet: an order at each price of a ladder on either side of the fair
 * value.
 *
 * It keeps no record of its orders but looks at those that are open and changes what differs from the
 * ladder. So it need not know what became of a command, and orders from before a restart are its own.
 * Cancels come before orders, so that it never trades with itself.
 */
export class MarketMaker {
  readonly marketId: MarketId;
  readonly wallet: string;
  readonly priceMax: number;
  readonly quantityMax: number;
  readonly #fairValue: FairValue;
  readonly #halfSpread: number;
  readonly #levels: number;
  readonly #random: Random;

  constructor(options: MarketMakerOptions, random: Random) {
    const { start, priceMax, quantityMax = Infinity, levels } = options;
    const { range = Number.isFinite(priceMax) ? priceMax : start } = options;
    this.marketId = options.marketId;
    this.wallet = options.wallet;
    this.priceMax = priceMax;
    this.quantityMax = quantityMax;
    this.#levels = levels;
    this.#random = random;
    this.#halfSpread = 1 + random.below(HALF_SPREAD_MAX);
    // Both ladders fit between 0 and the highest price, where that leaves room for them.
    const min = Math.min(this.#halfSpread + QUOTE_LEVELS_MAX, Math.floor(priceMax / 2));
    this.#fairValue = new FairValue(start, { min, max: priceMax - min }, range, random);
  }

  /** The lowest bid and the highest ask that it would quote, in ticks. */
  get worst(): Readonly<Record<Side, number>> {
    const last = this.#levels - 1;
    return { Buy: this.#priceOf("Buy", last), Sell: this.#priceOf("Sell", last) };
  }

  /** Thinks its market over: every other time, on average, the fair value moves. */
  reconsider(): void {
    if (this.#random.below(2) === 0) this.#fairValue.step();
  }

  /**
   * The next commands that bring the ladder up to the fair value, none if it stands.
   * @param openOrders the wallet's in this market
   * @param room how many orders more the wallet may have open
   */
  requote(openOrders: readonly Order[], room: number): Command[] {
    const missing = { Buy: this.#ladder("Buy"), Sell: this.#ladder("Sell") };
    const commands = openOrders
      .filter(({ side, price }) => !missing[side].delete(price))
      .map(cancelOf);
    let left = room + commands.length;
    for (let level = 0; level < this.#levels; level++) {
      for (const side of SIDES) {
        const price = this.#priceOf(side, level);
        if (left <= 0 || !missing[side].has(price)) continue;
        left -= 1;
        commands.push({ type: "place", terms: this.#quote(side, price, level) });
      }
    }
    return commands.slice(0, COMMANDS_MAX);
  }

  /** The prices of a side. That of an order may be undefined by its type, and is then not among them. */
  #ladder(side: Side): Set<number | undefined> {
    const prices = new Set<number | undefined>();
    for (let level = 0; level < this.#levels; level++) {
      const price = this.#priceOf(side, level);
      if (price > 0 && price < this.priceMax) prices.add(price);
    }
    return prices;
  }

  #priceOf(side: Side, level: number): number {
    const distance = this.#halfSpread + level;
    return this.#fairValue.ticks + (side === "Buy" ? -distance : distance);
  }

  #quote(side: Side, price: number, level: number) {
    const spread = QUANTITY_SPREAD + level * QUANTITY_SPREAD_PER_LEVEL;
    return {
      marketId: this.marketId,
      wallet: this.wallet,
      clientOrderId: undefined,
      side,
      orderType: "Limit",
      timeInForce: "GTC",
      postOnly: false,
      price,
      quantity: Math.min(this.quantityMax, QUANTITY_MIN + this.#random.below(spread)),
      selfTrade: "CancelTaker",
      expiresTs: undefined,
      session: undefined,
    } as const;
  }
}

export function cancelOf({ wallet, orderId }: Order): Command {
  return { type: "cancel", wallet, order: { orderId } };
}
