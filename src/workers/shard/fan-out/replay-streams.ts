import { isBefore } from "../../../ring/layout.js";
import type { NewestRecord } from "../../../ring/stream-walk.js";
import { compareMarketIds, type MarketId } from "../../../shared/market-id.js";
import type { Mirror } from "./mirror.js";
import type { BookTerms } from "./stream-terms.js";
import type { SubscriptionSet } from "./subscription-set.js";

/**
 * What of a market is replayed: of its states those that tell its state, a price, or a price with sizes; of
 * its books those whose first levels have changed, as a `Market` channel tells them, or all, as a `Book` channel
 * does.
 */
export type StreamKind = "trade" | "price" | "sized" | "state" | "book" | "levels";

/** A stream that a replay is of; without a market, the trades of all of them. */
export interface StreamName {
  readonly kind: StreamKind;
  readonly marketId: MarketId | undefined;
  /** Of `levels`. A connection has one `Book` channel of a market. */
  readonly terms?: BookTerms | undefined;
}

/** A stream and where it goes on: nothing of it before that is due any more. */
export interface StreamPlace extends StreamName {
  readonly position: number;
  /** A record of the stream begins at the position. */
  readonly exact: boolean;
}

/**
 * Position from which on what a stream has is told by rounds. Of trades the mirror tells what it reads; of
 * states and books that it had from the table first it tells nothing when it reads their records.
 */
export function endOf(mirror: Mirror, stream: StreamName): number {
  if (stream.kind === "trade") return mirror.tradesRead;
  const newest = newestOf(mirror, stream);
  const { statesRead, statesCapacity } = mirror;
  if (newest === undefined) return statesRead;
  // A quiet market's is so far behind that its position says nothing any more of what comes first.
  const isAhead = (newest.position - statesRead) >>> 0 < statesCapacity;
  return isAhead ? (newest.position + 1) >>> 0 : statesRead;
}

/** The streams of trades that subscriptions ask for: those of one market are among those of all. */
export function tradeStreams(subscriptions: SubscriptionSet | undefined): readonly StreamName[] {
  if (subscriptions === undefined) return [];
  if (subscriptions.allTrades) return [{ kind: "trade", marketId: undefined }];
  const ids = [...subscriptions.trades].sort(compareMarketIds);
  return ids.map((marketId) => ({ kind: "trade", marketId }));
}

/** The newest record of a stream of one market, as far as the mirror knows; undefined where there is none. */
export function newestOf(mirror: Mirror, { kind, marketId }: StreamName): NewestRecord | undefined {
  const market = marketId === undefined ? undefined : mirror.find(marketId);
  if (market === undefined) return undefined;
  const { slot, book } = market;
  switch (kind) {
    case "trade":
      if (market.tradeSeq === 0) return undefined;
      return { slot, position: market.tradePosition, seq: market.tradeSeq };
    case "book":
    case "levels":
      return book === undefined
        ? undefined
        : { slot, position: market.bookPosition, seq: book.seq };
    case "price":
    case "sized":
    case "state":
      if (market.stateSeq === 0) return undefined;
      return { slot, position: market.statePosition, seq: market.stateSeq };
    default:
      return kind satisfies never;
  }
}

/** Of two places of a stream the first. */
function earlier(one: StreamPlace, other: StreamPlace): StreamPlace {
  return isBefore(other.position, one.position) ? other : one;
}

/** Places of trades by their streams' markets. */
function byMarket(places: readonly StreamPlace[]): Map<MarketId | undefined, StreamPlace> {
  return new Map(places.map((place) => [place.marketId, place]));
}

/**
 * Where streams of trades go on, of which some are behind: each where it was, as itself or as one of those of
 * all markets, and what is new at `position`.
 */
export function placesOf(
  streams: readonly StreamName[],
  behind: readonly StreamPlace[],
  position: number,
): StreamPlace[] {
  const known = byMarket(behind);
  const all = known.get(undefined);
  const places = streams.map((stream) => {
    const here: StreamPlace = known.get(stream.marketId) ?? { ...stream, position, exact: false };
    // One of those of all, so far.
    if (all === undefined || stream.marketId === undefined) return here;
    return earlier(here, { ...stream, position: all.position, exact: false });
  });
  const [first] = places;
  if (first === undefined || first.marketId !== undefined) return places;
  // Of a market that was subscribed to before all were, what comes before theirs is due as well.
  const before = behind.filter(
    ({ marketId, position: from }) => marketId !== undefined && isBefore(from, first.position),
  );
  return [...places, ...before];
}

/** Places of trades, each of them as far back as was asked for. */
export function earlierOf(
  places: readonly StreamPlace[],
  asked: readonly StreamPlace[],
): StreamPlace[] {
  const from = byMarket(asked);
  const all = places.map((place) => {
    const one = from.get(place.marketId);
    from.delete(place.marketId);
    return one === undefined ? place : earlier(place, one);
  });
  const ofAll = all.find(({ marketId }) => marketId === undefined);
  if (ofAll === undefined) return all;
  // Of a market that is among all, what comes before theirs.
  return [
    ...all,
    ...[...from.values()].filter(({ position }) => isBefore(position, ofAll.position)),
  ];
}
