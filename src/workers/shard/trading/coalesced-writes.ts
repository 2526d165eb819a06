import type { ServerMessage } from "../../../contract/messages.js";
import type { Connection, PrivateBatch } from "../connections/connection.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Outbox } from "../connections/outbox.js";

/** Private messages of one turn, by connection, so that each connection gets them in one write. */
export class CoalescedWrites {
  readonly #outbox: Outbox;
  readonly #batches = new Map<Connection, PrivateBatch[]>();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  add(connection: Connection, message: ServerMessage): void {
    this.put(connection, this.#outbox.encode(connection.encoding, message));
  }

  /** The same message for several connections, encoded once per encoding. */
  push(connections: Iterable<Connection>, message: ServerMessage, except?: Connection): void {
    const encoded: (FrameBatch | undefined)[] = [];
    for (const connection of connections) {
      if (connection === except) continue;
      const { encoding } = connection;
      encoded[encoding] ??= this.#outbox.encode(encoding, message);
      this.put(connection, encoded[encoding]);
    }
  }

  send(): void {
    for (const [connection, batches] of this.#batches) connection.deliver(batches);
  }

  put(connection: Connection, batch: PrivateBatch): void {
    const batches = this.#batches.get(connection);
    if (batches === undefined) this.#batches.set(connection, [batch]);
    else batches.push(batch);
  }
}
