import type { Channel } from "../../codec/channels.js";
import { FrameWriter } from "../../codec/frame-writer.js";
import type { PushEncoder } from "../../codec/push-encoder.js";
import type { ServerMessage } from "../../codec/server-messages.js";
import type { Audience } from "./audience.js";
import type { Connection } from "./connection.js";
import { channelsOf, writeFirstData } from "./first-data.js";
import type { Mirror } from "./mirror.js";
import { ENCODERS } from "./round-frames.js";

/**
 * Sends what is not market data in rounds: replies, first data, notices. Everything that one call
 * sends to a connection goes out in one write.
 */
export class Outbox {
  readonly #writer = new FrameWriter();
  readonly #mirror: () => Mirror;
  readonly #systemStatus: () => ServerMessage;

  constructor(mirror: () => Mirror, systemStatus: () => ServerMessage) {
    this.#mirror = mirror;
    this.#systemStatus = systemStatus;
  }

  send(connection: Connection, ...messages: readonly ServerMessage[]): void {
    connection.reply(this.#encode(connection.encoding, messages), messages.length);
  }

  /** Sends messages to many connections, encoded once per encoding. */
  broadcast(connections: Iterable<Connection>, ...messages: readonly ServerMessage[]): void {
    const encoded = new Map<number, Buffer>();
    for (const connection of connections) {
      const { encoding } = connection;
      const bytes = encoded.get(encoding) ?? this.#encode(encoding, messages);
      encoded.set(encoding, bytes);
      connection.reply(bytes, messages.length);
    }
  }

  /** Sends a reply and, behind it, the first data of channels. */
  sendFirstData(connection: Connection, reply: ServerMessage, channels: readonly Channel[]): void {
    const withStatus = channels.some((channel) => channel.type === "SystemStatus");
    const { bytes, messages } = this.#firstData(connection.encoding, reply, channels, withStatus);
    connection.reply(bytes, messages);
  }

  /** Sends a message and, behind it, the first data of all their subscriptions to an audience. */
  restart(audience: Audience, message: ServerMessage): void {
    const { subscriptions } = audience;
    const { bytes, messages } = this.#firstData(
      audience.encoding,
      message,
      [...channelsOf(subscriptions)],
      subscriptions.systemStatus,
    );
    for (const member of audience.members) member.reply(bytes, messages);
  }

  #firstData(
    encoding: number,
    message: ServerMessage,
    channels: readonly Channel[],
    withStatus: boolean,
  ) {
    const encoder = ENCODERS[encoding] as PushEncoder;
    this.#writer.reset();
    encoder.message(this.#writer, message);
    let messages = 1 + writeFirstData(this.#writer, encoder, this.#mirror(), channels);
    if (withStatus) {
      encoder.message(this.#writer, this.#systemStatus());
      messages++;
    }
    return { bytes: this.#taken(), messages };
  }

  #encode(encoding: number, messages: readonly ServerMessage[]): Buffer {
    this.#writer.reset();
    for (const message of messages)
      (ENCODERS[encoding] as PushEncoder).message(this.#writer, message);
    return this.#taken();
  }

  /** What was written, in a buffer of its own. */
  #taken(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.#writer.position);
    this.#writer.bytes.copy(bytes, 0, 0, bytes.length);
    return bytes;
  }
}
