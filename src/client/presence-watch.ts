import { channelKey } from "../contract/channel-kinds.js";
import type { Channel, PresenceSubject, PresenceUpdate } from "../contract/messages.js";
import { canonicalChannel } from "./canonical-channel.js";
import type { Client } from "./client.js";
import type { RequestOptions } from "./options.js";
import type { PresenceListener, PresenceState } from "./presence.js";

/** What somebody listens to. */
interface Watch {
  readonly channel: Channel;
  readonly listeners: Set<(state: PresenceState) => void>;
  state: PresenceState | undefined;
  /** Ends the client's listener. */
  readonly stop: () => void;
}

/** By the key of the channel. */
const watches = new WeakMap<Client, Map<string, Watch>>();

/**
 * Subscribes to presence for the first listener of a market or private channel, and ends that with the last.
 * Rejects where the server does not take it.
 */
export async function watchPresence(
  client: Client,
  of: PresenceSubject,
  listener: PresenceListener,
  options?: RequestOptions,
): Promise<() => void> {
  const channel = canonicalChannel({ type: "Presence", params: of });
  const key = channelKey(channel);
  const all = watches.get(client) ?? new Map<string, Watch>();
  watches.set(client, all);
  const watch = all.get(key) ?? begin(client, channel, key);
  all.set(key, watch);
  // Each call is a listener of its own.
  const tell = (state: PresenceState): void => listener(state);
  const stop = (): void => {
    if (!watch.listeners.delete(tell) || watch.listeners.size > 0) return;
    watch.stop();
    all.delete(key);
    client.unsubscribe([channel]).catch(() => {});
  };
  const { state } = watch;
  watch.listeners.add(tell);
  try {
    if (state === undefined) await client.subscribe([channel], options);
    else tell(state);
    return stop;
  } catch (error) {
    stop();
    throw error;
  }
}

function begin(client: Client, channel: Channel, key: string): Watch {
  const watch: Watch = {
    channel,
    listeners: new Set(),
    state: undefined,
    stop: client.on("PresenceUpdate", (update) => {
      if (keyOf(update) !== key) return;
      watch.state = next(watch.state, update);
      for (const tell of [...watch.listeners]) tell(watch.state);
    }),
  };
  return watch;
}

function keyOf({ market_id, channel }: PresenceUpdate): string {
  const params = channel === undefined ? { market_id } : { channel };
  return channelKey({ type: "Presence", params } as Channel);
}

/** Without users, too, nothing of what was told before counts: lists without any may be absent. */
function next(
  before: PresenceState | undefined,
  { channel, connections, users, joined = [], left = [], members }: PresenceUpdate,
): PresenceState {
  if (channel === undefined) return { connections, users, members: undefined };
  const there = new Set(members ?? (users === 0 ? [] : before?.members));
  for (const user of left) there.delete(user);
  for (const user of joined) there.add(user);
  return { connections, users, members: there };
}
