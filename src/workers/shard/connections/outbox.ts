import { FrameWriter } from "../../../codec/frame-writer.js";
import type { PushEncoder } from "../../../codec/push-encoder.js";
import type { ServerMessage } from "../../../contract/server-messages-schema.js";
import { ENCODERS } from "../fan-out/round-frames.js";
import type { Connection } from "./connection.js";
import type { FrameBatch } from "./frame-batch.js";

/** Whoever a message to many goes to. */
type Recipient = Pick<Connection, "encoding" | "reply">;

/**
 * Sends what is no market data: replies, notices, private messages. Everything that one call sends to a
 * connection goes out in one write.
 */
export class Outbox {
  readonly #writer = new FrameWriter();

  /** Sends a private message in its order; see Connection.deliver. */
  deliver(connection: Connection, message: ServerMessage): void {
    connection.deliver([this.encode(connection.encoding, message)]);
  }

  /** A message as a frame, in a buffer of its own. */
  encode(encoding: number, message: ServerMessage): FrameBatch {
    return this.#encode(encoding, [message]);
  }

  send(connection: Connection, ...messages: readonly ServerMessage[]): void {
    connection.answer([this.#encode(connection.encoding, messages)]);
  }

  /** Sends messages to many connections, encoded once per encoding. */
  broadcast(connections: Iterable<Recipient>, ...messages: readonly ServerMessage[]): void {
    const encoded = new Map<number, FrameBatch>();
    for (const connection of connections) {
      const { encoding } = connection;
      const batch = encoded.get(encoding) ?? this.#encode(encoding, messages);
      encoded.set(encoding, batch);
      connection.reply([batch]);
    }
  }

  #encode(encoding: number, messages: readonly ServerMessage[]): FrameBatch {
    this.#writer.reset();
    for (const message of messages)
      (ENCODERS[encoding] as PushEncoder).message(this.#writer, message);
    return { bytes: this.#writer.copy(), messages: messages.length };
  }
}
