import type { MarketId } from "../../../shared/market-id.js";
import type { Audience } from "./audience.js";
import type { MirrorMarket } from "./mirror-market.js";

/** The audiences that want each stream of one market. */
interface MarketInterest {
  readonly prices: Set<Audience>;
  /** States and books of the `Market` channel. */
  readonly states: Set<Audience>;
  readonly trades: Set<Audience>;
}

/**
 * Leads from a market to its audiences. An interest is in an id, as it outlives the producer that listed
 * the market, whose successor may list it elsewhere; it is found by slot.
 */
export class InterestIndex {
  readonly #interests = new Map<MarketId, MarketInterest>();
  /** Of the markets that have changed since the last producer came. */
  readonly #bySlot: (MarketInterest | undefined)[] = [];
  /** Audiences of the trades of every market. */
  readonly allTrades = new Set<Audience>();

  at({ slot, marketId }: Pick<MirrorMarket, "slot" | "marketId">): MarketInterest {
    let interest = this.#bySlot[slot];
    if (interest === undefined) {
      interest = this.#of(marketId);
      // Without holes: an array that begins far from its end would become a hash table.
      while (this.#bySlot.length < slot) this.#bySlot.push(undefined);
      this.#bySlot[slot] = interest;
    }
    return interest;
  }

  /** Another producer lists the markets anew. */
  forgetSlots(): void {
    this.#bySlot.length = 0;
  }

  add(audience: Audience): void {
    const { subscriptions } = audience;
    for (const id of subscriptions.prices) this.#of(id).prices.add(audience);
    for (const id of subscriptions.states) this.#of(id).states.add(audience);
    // With all trades subscribed, those of one market are among them.
    if (subscriptions.allTrades) this.allTrades.add(audience);
    else for (const id of subscriptions.trades) this.#of(id).trades.add(audience);
  }

  remove(audience: Audience): void {
    const { subscriptions } = audience;
    for (const id of subscriptions.prices) this.#of(id).prices.delete(audience);
    for (const id of subscriptions.states) this.#of(id).states.delete(audience);
    for (const id of subscriptions.trades) this.#of(id).trades.delete(audience);
    this.allTrades.delete(audience);
  }

  #of(marketId: MarketId): MarketInterest {
    let interest = this.#interests.get(marketId);
    if (interest === undefined) {
      interest = { prices: new Set(), states: new Set(), trades: new Set() };
      this.#interests.set(marketId, interest);
    }
    return interest;
  }
}
