import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { ENCODING_TABLE, encodingAt } from "../../../codec/encodings.js";
import { FRAME, FrameWriter } from "../../../codec/frame-writer.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { requireWordsFor } from "../../../counters/counters.js";
import type { Connection } from "./connection.js";
import type { FrameBatch } from "./frame-batch.js";

/** Whoever a message to many goes to. */
type Recipient = Pick<Connection, "encoding" | "reply">;

/**
 * Sends what is no market data: replies, notices, private messages. Everything that one call sends to a
 * connection goes out in one write.
 */
export class Outbox {
  /** Those it can write in, in the order of their indices. */
  readonly encodings: readonly EncodingDescriptor[];
  readonly #writer = new FrameWriter();

  constructor(encodings: readonly EncodingDescriptor[] = ENCODING_TABLE) {
    // Connections count what they are sent by their encoding.
    requireWordsFor(encodings);
    this.encodings = encodings;
  }

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
    const { encoder, frames } = encodingAt(this.encodings, encoding);
    const writer = this.#writer;
    writer.reset();
    for (const message of messages) {
      writer.begin();
      encoder.message(writer, message);
      writer.end(FRAME[frames]);
    }
    return { bytes: writer.copy(), messages: messages.length };
  }
}
