import type { MarketId } from "../../../shared/market-id.js";
import type { Audience, AudienceStream } from "./audience.js";
import { createStream } from "./merged-stream.js";
import type { MergedStreams } from "./merged-streams.js";
import type { Mirror } from "./mirror.js";
import type { MirrorMarket } from "./mirror-market.js";
import { type StreamTerms, termsKey } from "./stream-terms.js";

/** The audiences that want each stream of one market. */
interface MarketInterest {
  /** Of those that are told every change. */
  readonly prices: Set<Audience>;
  readonly sizedPrices: Set<Audience>;
  /** States and books of the `Market` channel. */
  readonly states: Set<Audience>;
  readonly trades: Set<Audience>;
  /** The others, which have audiences of their own. */
  streams: readonly AudienceStream[];
}

const NO_STREAMS: readonly AudienceStream[] = [];

/** When streams begin: what they have told by then. */
interface Beginning {
  readonly mirror: Pick<Mirror, "find">;
  readonly round: number;
  /** In ms. */
  readonly now: number;
}

/**
 * Leads from a market to its audiences. An interest is in an id, as it outlives the producer that listed
 * the market, whose successor may list it elsewhere; it is found by slot.
 */
export class InterestIndex {
  readonly #interests = new Map<MarketId, MarketInterest>();
  /** Of the markets that have changed since the last producer came. */
  readonly #bySlot: (MarketInterest | undefined)[] = [];
  readonly #merged: MergedStreams;
  /** Audiences of the trades of every market. */
  readonly allTrades = new Set<Audience>();

  constructor(merged: MergedStreams) {
    this.#merged = merged;
  }

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

  /** Another producer lists the markets anew, and all streams begin again. */
  restart({ mirror, round, now }: Beginning): void {
    this.#bySlot.length = 0;
    this.#merged.clear();
    for (const [id, { streams }] of this.#interests) {
      for (const stream of streams) {
        stream.begin(mirror.find(id), round);
        this.#merged.run(stream, now);
      }
    }
  }

  /** The stream of a market that has these terms, if anybody wants it. */
  stream(marketId: MarketId, terms: StreamTerms): AudienceStream | undefined {
    const key = termsKey(terms);
    return this.#interests.get(marketId)?.streams.find((stream) => stream.key === key);
  }

  add(audience: Audience, beginning: Beginning): void {
    const { subscriptions } = audience;
    for (const [id, terms] of subscriptions.prices) {
      if (terms.intervalMs > 0) this.#join(audience, id, { what: "price", ...terms }, beginning);
      else if (terms.sizes) this.#of(id).sizedPrices.add(audience);
      else this.#of(id).prices.add(audience);
    }
    for (const [id, intervalMs] of subscriptions.states) {
      if (intervalMs === 0) this.#of(id).states.add(audience);
      else {
        this.#join(audience, id, { what: "state", intervalMs }, beginning);
        this.#join(audience, id, { what: "top", intervalMs }, beginning);
      }
    }
    for (const [id, terms] of subscriptions.books)
      this.#join(audience, id, { what: "book", ...terms }, beginning);
    // With all trades subscribed, those of one market are among them.
    if (subscriptions.allTrades) this.allTrades.add(audience);
    else for (const id of subscriptions.trades) this.#of(id).trades.add(audience);
  }

  remove(audience: Audience): void {
    const { subscriptions } = audience;
    for (const id of subscriptions.prices.keys()) {
      this.#of(id).prices.delete(audience);
      this.#of(id).sizedPrices.delete(audience);
    }
    for (const id of subscriptions.states.keys()) this.#of(id).states.delete(audience);
    for (const id of subscriptions.trades) this.#of(id).trades.delete(audience);
    this.allTrades.delete(audience);
    for (const [stream, id] of audience.streams) {
      stream.audiences.delete(audience);
      if (stream.audiences.size > 0) continue;
      this.#merged.end(stream);
      const interest = this.#of(id);
      interest.streams = interest.streams.filter((one) => one !== stream);
    }
  }

  #join(audience: Audience, id: MarketId, terms: StreamTerms, beginning: Beginning): void {
    let stream = this.stream(id, terms);
    if (stream === undefined) {
      stream = createStream(terms);
      stream.begin(beginning.mirror.find(id), beginning.round);
      this.#merged.run(stream, beginning.now);
      const interest = this.#of(id);
      interest.streams = [...interest.streams, stream];
    }
    stream.audiences.add(audience);
    audience.streams.set(stream, id);
  }

  #of(marketId: MarketId): MarketInterest {
    let interest = this.#interests.get(marketId);
    if (interest === undefined) {
      interest = {
        prices: new Set(),
        sizedPrices: new Set(),
        states: new Set(),
        trades: new Set(),
        streams: NO_STREAMS,
      };
      this.#interests.set(marketId, interest);
    }
    return interest;
  }
}
