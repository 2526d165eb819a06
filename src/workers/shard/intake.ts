import { CLOSE } from "../../codec/wire/close-codes.js";
import type { Connection } from "./connection.js";
import type { Door } from "./first-data-sender.js";

/** More messages than the bytes that were read before a socket was paused can hold. */
const HELD_MESSAGES_MAX = 16_384;

interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/**
 * What clients send, on its way to be handled. Of a connection that is held nothing is handled and its
 * socket is not read; what had been read before waits.
 */
export class Intake implements Door {
  readonly #handle: (connection: Connection, data: Buffer, isBinary: boolean) => void;
  readonly #held = new Map<Connection, Message[]>();

  constructor(handle: (connection: Connection, data: Buffer, isBinary: boolean) => void) {
    this.#handle = handle;
  }

  take(connection: Connection, data: Buffer, isBinary: boolean): void {
    const held = this.#held.get(connection);
    if (held === undefined) return this.#handle(connection, data, isBinary);
    held.push({ data, isBinary });
    if (held.length > HELD_MESSAGES_MAX) connection.close(CLOSE.flooding, "too many messages wait");
  }

  hold(connection: Connection): void {
    if (this.#held.has(connection)) return;
    this.#held.set(connection, []);
    connection.ws.pause();
  }

  release(connection: Connection): void {
    const held = this.#held.get(connection);
    if (held === undefined) return;
    this.#held.delete(connection);
    for (const [at, { data, isBinary }] of held.entries()) {
      this.#handle(connection, data, isBinary);
      const again = this.#held.get(connection);
      if (again === undefined) continue;
      again.push(...held.slice(at + 1));
      return;
    }
    connection.ws.resume();
  }
}
