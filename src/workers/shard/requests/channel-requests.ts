import { isGranted } from "../../../channels/grants.js";
import type { MessageFault } from "../../../codec/decode.js";
import { isNamed, type NamedChannel } from "../../../contract/channel-kinds.js";
import type { Channel, PresenceChannel } from "../../../contract/channels-schema.js";
import type { ClientMessage } from "../../../contract/client-messages-schema.js";
import type { FoundHistory } from "../channels/channel-searches.js";
import type { Channels } from "../channels/channels.js";
import type { Connection } from "../connections/connection.js";
import type { RequestHold } from "../trading/shard-sessions.js";
import { forbidden } from "./request-faults.js";

/** What a publication costs its client besides its bytes: it is placed, kept and told to others. */
const PUBLISH_COST_BYTES = 512;
/** What it costs to have the hub find where a history begins. */
const FIND_COST_BYTES = 512;

/** What clients ask of the channels that users publish to: says who may, and passes it on. */
export class ChannelRequests {
  readonly #channels: Channels;
  readonly #hold: RequestHold;

  constructor(channels: Channels, hold: RequestHold) {
    this.#channels = channels;
    this.#hold = hold;
  }

  /** Why a connection may not have a channel, or the presence of one. */
  fault(
    { identity }: Connection,
    { type, params: { channel } }: NamedChannel | PresenceChannel,
  ): MessageFault | undefined {
    // Presence of a market is open to everybody, as the market is.
    if (channel === undefined) return undefined;
    if (identity === undefined) return tokenRequired(type);
    if (isGranted(identity.channels, channel)) return undefined;
    return forbidden(`${type}: the token's claim channels does not allow ${channel}`);
  }

  /** Why a connection may not have one of some channels. */
  faultOf(connection: Connection, channels: readonly NamedChannel[]): MessageFault | undefined {
    for (const channel of channels) {
      const fault = this.fault(connection, channel);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /**
   * Passes a publication on, which the hub answers, or says why not.
   * @param now performance.now()
   */
  publish(
    connection: Connection,
    { type, id, data }: Extract<ClientMessage, { type: "Publish" }>,
    now: number,
  ): MessageFault | undefined {
    const { identity } = connection;
    if (identity === undefined) return tokenRequired(type);
    if (!isGranted(identity.publish, data.channel))
      return forbidden(`${type}: the token's claim publish does not allow ${data.channel}`);
    connection.charge(PUBLISH_COST_BYTES, now);
    return this.#channels.publish(connection, id, identity.userId, data, now);
  }

  /**
   * Finds what there is of the channels among some that have a `since`; the connection's further requests wait for
   * that.
   */
  findHistories(
    connection: Connection,
    channels: readonly Channel[],
    found: (histories: ReadonlyMap<NamedChannel, FoundHistory>) => void,
  ): void {
    const asked = channels.filter(isNamedSince);
    if (asked.length === 0 || this.faultOf(connection, asked) !== undefined)
      return found(new Map());
    connection.charge(FIND_COST_BYTES * asked.length, performance.now());
    this.#hold.hold(connection);
    this.#channels.find(asked, (histories) => {
      if (connection.open) found(histories);
      this.#hold.release(connection);
    });
  }
}

function isNamedSince(channel: Channel): channel is Extract<Channel, { type: "Private" }> & {
  readonly since: number;
} {
  return isNamed(channel) && channel.since !== undefined;
}

function tokenRequired(what: string): MessageFault {
  return { code: "AUTH_REQUIRED", message: `${what}: this needs a token` };
}
