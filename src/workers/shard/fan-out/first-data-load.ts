import type { PublicChannel } from "../../../contract/channels-schema.js";
import type { ArchivedTrades } from "./archived-trades.js";
import { type FirstDataPlan, type Position, START } from "./first-data.js";
import type { ReplayCursor } from "./replay-cursor.js";
import type { StreamPlace } from "./replay-streams.js";
import { SubscriptionSet } from "./subscription-set.js";

/** What channels with a `since` get in place of first data. */
export interface Replays {
  /** Where trades of the channels begin, which are subscribed to at once. */
  readonly trades: readonly StreamPlace[];
  /** What comes before those, out of the archive. */
  readonly archived: readonly ArchivedTrades[];
  /** Where states, prices and books of other channels begin; undefined where there is no such channel. */
  readonly states: ReplayCursor | undefined;
  /** Those channels, which are subscribed to when all has been replayed. */
  readonly channels: readonly PublicChannel[];
  /** Channels that are replayed as well, and then have first data. */
  readonly books: readonly PublicChannel[];
}

/** First data on their way to a connection. */
export interface Load {
  plan: FirstDataPlan;
  /** The channels that have first data. */
  readonly channels: readonly PublicChannel[];
  /** What is to be replayed before them. */
  replays: Replays | undefined;
  /** What it was subscribed to before; undefined where all begins anew. */
  readonly before: SubscriptionSet | undefined;
  /** What it is subscribed to when all is sent. */
  readonly target: SubscriptionSet;
  /** What it is subscribed to now; undefined until the first part has been sent and was not the last. */
  told: SubscriptionSet | undefined;
  position: Position;
  /** The client has asked for it, and is charged. */
  readonly asked: boolean;
  /** Keys of filters whose snapshots have not been sent to their end. */
  readonly untold: Set<string>;
}

/** @param before what the connection is subscribed to, undefined where all begins anew */
export function loadOf(
  plan: FirstDataPlan,
  before: SubscriptionSet | undefined,
  target: SubscriptionSet,
  asked: boolean,
  channels: readonly PublicChannel[] = [],
  replays?: Replays,
): Load {
  const untold = new Set<string>();
  for (const key of target.filters.keys()) if (!before?.filters.has(key)) untold.add(key);
  // What is replayed anew is not told by rounds meanwhile.
  const rest = new SubscriptionSet(before);
  for (const channel of [...(replays?.channels ?? []), ...(replays?.books ?? [])])
    rest.remove(channel);
  return {
    plan,
    channels,
    replays,
    before: before === undefined ? undefined : rest,
    target,
    told: undefined,
    position: START,
    asked,
    untold,
  };
}
