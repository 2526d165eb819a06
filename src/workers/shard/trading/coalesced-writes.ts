import type { ServerMessage } from "../../../contract/messages.js";
import type { Connection, PrivateBatch } from "../connections/connection.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Outbox } from "../connections/outbox.js";

/** Of connections that are told of several pieces of one whole, whether they had taken everything before the first. */
export type Takers = Map<Connection, boolean>;

/** Private messages of one turn, by connection, so that each connection gets them in one write. */
export class CoalescedWrites {
  readonly #outbox: Outbox;
  readonly #takers: Takers | undefined;
  readonly #batches = new Map<Connection, PrivateBatch[]>();
  #bytes = 0;

  /**
   * @param takers where this is a piece of a whole: what is too much of that for a socket is no sign of slowness in
   *   whoever had taken all that was before it
   */
  constructor(outbox: Outbox, takers?: Takers) {
    this.#outbox = outbox;
    this.#takers = takers;
  }

  /** What is to be sent, to all together. */
  get bytes(): number {
    return this.#bytes;
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
    for (const [connection, batches] of this.#batches)
      connection.deliver(this.#hadTaken(connection) ? batches.map(asAsked) : batches);
    this.#batches.clear();
    this.#bytes = 0;
  }

  #hadTaken(connection: Connection): boolean {
    const takers = this.#takers;
    if (takers === undefined) return false;
    const known = takers.get(connection);
    if (known !== undefined) return known;
    const { blocked, hasQueue, held } = connection;
    takers.set(connection, !blocked && !hasQueue && !held);
    return false;
  }

  put(connection: Connection, batch: PrivateBatch): void {
    this.#bytes += batch.bytes.length;
    const batches = this.#batches.get(connection);
    if (batches === undefined) this.#batches.set(connection, [batch]);
    else batches.push(batch);
  }
}

function asAsked(batch: PrivateBatch): PrivateBatch {
  return { ...batch, asked: true };
}
