import type { Connection } from "../../src/workers/shard/connections/connection.js";

interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/**
 * What clients on fake sockets send, on its way to be handled: an Intake that is given whole messages. Of
 * a connection that is held nothing is handled until it is released, and then in order.
 */
export class HeldMessages {
  readonly #handle: (connection: Connection, data: Buffer, isBinary: boolean) => void;
  readonly #held = new Map<Connection, Message[]>();
  /** How often each has been held and not yet released. */
  readonly #holds = new Map<Connection, number>();

  constructor(handle: (connection: Connection, data: Buffer, isBinary: boolean) => void) {
    this.#handle = handle;
  }

  take(connection: Connection, data: Buffer, isBinary: boolean): void {
    const held = this.#held.get(connection);
    if (held === undefined) this.#handle(connection, data, isBinary);
    else held.push({ data, isBinary });
  }

  holds(connection: Connection): boolean {
    return this.#held.has(connection);
  }

  /** Here nothing is on a budget. */
  exempt(): void {}

  hold(connection: Connection): void {
    this.#holds.set(connection, (this.#holds.get(connection) ?? 0) + 1);
    if (!this.#held.has(connection)) this.#held.set(connection, []);
  }

  release(connection: Connection): void {
    const held = this.#held.get(connection);
    if (held === undefined) return;
    const holds = (this.#holds.get(connection) ?? 1) - 1;
    this.#holds.set(connection, holds);
    if (holds > 0) return;
    this.#held.delete(connection);
    for (const [at, { data, isBinary }] of held.entries()) {
      this.#handle(connection, data, isBinary);
      const again = this.#held.get(connection);
      if (again === undefined) continue;
      again.push(...held.slice(at + 1));
      return;
    }
  }
}
