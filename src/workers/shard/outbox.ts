import { type Channel, channelKey } from "../../codec/channels.js";
import { FrameWriter } from "../../codec/frame-writer.js";
import type { PushEncoder } from "../../codec/push-encoder.js";
import type { ServerMessage } from "../../codec/server-messages.js";
import type { Audience, Batch } from "./audience.js";
import type { Connection } from "./connection.js";
import { channelsOf, writeFirstData } from "./first-data.js";
import type { Mirror } from "./mirror.js";
import { ENCODERS } from "./round-frames.js";

/** Where the markets stand; the same round of the same mirror is the same state. */
export interface MarketSource {
  readonly mirror: Mirror;
  readonly round: number;
}

/**
 * Sends what is not market data in rounds: replies, first data, notices. Everything that one call
 * sends to a connection goes out in one write.
 */
export class Outbox {
  readonly #writer = new FrameWriter();
  readonly #source: MarketSource;
  readonly #systemStatus: () => ServerMessage;
  /**
   * The first data made last. Clients that come back all at once ask for the same, and share it
   * while the markets stand still.
   */
  #firstData:
    | {
        readonly epoch: string;
        readonly round: number;
        readonly key: string;
        readonly batch: Batch;
      }
    | undefined;

  constructor(source: MarketSource, systemStatus: () => ServerMessage) {
    this.#source = source;
    this.#systemStatus = systemStatus;
  }

  /** Sends a private message in its order; see Connection.deliver. */
  deliver(connection: Connection, message: ServerMessage): void {
    connection.deliver([this.encode(connection.encoding, message)]);
  }

  /** A message as a frame, in a buffer of its own. */
  encode(encoding: number, message: ServerMessage): Batch {
    return this.#encode(encoding, [message]);
  }

  send(connection: Connection, ...messages: readonly ServerMessage[]): void {
    connection.answer([this.#encode(connection.encoding, messages)]);
  }

  /** Sends messages to many connections, encoded once per encoding. */
  broadcast(connections: Iterable<Connection>, ...messages: readonly ServerMessage[]): void {
    const encoded = new Map<number, Batch>();
    for (const connection of connections) {
      const { encoding } = connection;
      const batch = encoded.get(encoding) ?? this.#encode(encoding, messages);
      encoded.set(encoding, batch);
      connection.reply([batch]);
    }
  }

  /** Sends a reply and, behind it, the first data of channels. */
  sendFirstData(connection: Connection, reply: ServerMessage, channels: readonly Channel[]): void {
    const { encoding } = connection;
    const withStatus = channels.some((channel) => channel.type === "SystemStatus");
    connection.answer([
      this.#encode(encoding, [reply]),
      this.#marketData(encoding, channels),
      this.#encode(encoding, withStatus ? [this.#systemStatus()] : []),
    ]);
  }

  /** Sends a message and, behind it, the first data of all their subscriptions to an audience. */
  restart(audience: Audience, message: ServerMessage): void {
    const { encoding, subscriptions } = audience;
    const batches = [
      this.#encode(encoding, [message]),
      this.#marketData(encoding, [...channelsOf(subscriptions)]),
      this.#encode(encoding, subscriptions.systemStatus ? [this.#systemStatus()] : []),
    ];
    for (const member of audience.members) member.reply(batches);
  }

  #marketData(encoding: number, channels: readonly Channel[]): Batch {
    const { mirror, round } = this.#source;
    const key = `${encoding}${channels.map(channelKey).join()}`;
    const known = this.#firstData;
    if (known?.epoch === mirror.epoch && known.round === round && known.key === key)
      return known.batch;
    this.#writer.reset();
    const messages = writeFirstData(
      this.#writer,
      ENCODERS[encoding] as PushEncoder,
      mirror,
      channels,
    );
    const batch = this.#taken(messages);
    this.#firstData = { epoch: mirror.epoch, round, key, batch };
    return batch;
  }

  #encode(encoding: number, messages: readonly ServerMessage[]): Batch {
    this.#writer.reset();
    for (const message of messages)
      (ENCODERS[encoding] as PushEncoder).message(this.#writer, message);
    return this.#taken(messages.length);
  }

  /** What was written, in a buffer of its own. */
  #taken(messages: number): Batch {
    const bytes = Buffer.allocUnsafeSlow(this.#writer.position);
    this.#writer.bytes.copy(bytes, 0, 0, bytes.length);
    return { bytes, messages };
  }
}
