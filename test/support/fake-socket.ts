import type { Socket } from "node:net";
import { NodeSink } from "../../src/transport/node-sink.js";
import {
  type AddressShare,
  AddressShares,
} from "../../src/workers/shard/connections/address-shares.js";
import type { ClientSocket } from "../../src/workers/shard/connections/connection.js";

interface Write {
  readonly bytes: Buffer;
  readonly done: (() => void) | undefined;
}

/**
 * A socket's writing end in the test's hand: it takes everything at once until `congested` is set,
 * and then keeps what is written until it is drained.
 */
export class FakeSocket {
  congested = false;
  destroyed = false;
  writableLength = 0;
  bytesWritten = 0;
  writableCorked = 0;
  /** Nothing that was received waits to be read. */
  readonly readableLength = 0;
  /** Every system call's buffers, in order; empty writes are none. */
  readonly calls: (readonly Buffer[])[] = [];
  /** Called with all that is written, as soon as it is. */
  onData: (bytes: Buffer) => void = () => {};
  readonly #waiting: Write[] = [];
  readonly #corked: Write[] = [];

  write(bytes: Buffer, done?: () => void): boolean {
    const write = { bytes, done };
    this.writableLength += bytes.length;
    this.bytesWritten += bytes.length;
    if (this.writableCorked > 0) this.#corked.push(write);
    else this.#call([write]);
    return this.writableLength === 0;
  }

  cork(): void {
    this.writableCorked++;
  }

  uncork(): void {
    if (--this.writableCorked === 0) this.#call(this.#corked.splice(0));
  }

  /** Writes that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes `writes` of what waits, all by default; with nothing left it is not congested any more. */
  drain(writes = Number.POSITIVE_INFINITY): void {
    const taken = this.#waiting.splice(0, writes);
    for (const { bytes } of taken) this.writableLength -= bytes.length;
    if (this.#waiting.length === 0) this.congested = false;
    for (const { done } of taken) done?.();
  }

  #call(writes: readonly Write[]): void {
    const buffers = writes.map(({ bytes }) => bytes).filter((bytes) => bytes.length > 0);
    if (buffers.length > 0) {
      this.calls.push(buffers);
      this.onData(Buffer.concat(buffers));
    }
    this.#waiting.push(...writes);
    if (!this.congested) this.drain();
  }
}

/** The WebSocket beside a {@link FakeSocket}: whether it is open, and how it was closed. */
export class FakeWebSocket {
  readyState = 1;
  closed: { readonly code: number; readonly reason: string } | undefined;
  terminated = false;
  close(code: number, reason: string): void {
    // What `ws` enforces.
    if (Buffer.byteLength(reason) > 123) throw new RangeError("the close reason is too long");
    if (this.readyState > 1) return;
    this.readyState = 2;
    this.closed = { code, reason };
  }

  terminate(): void {
    this.readyState = 3;
    this.terminated = true;
  }
}

/** An address's share of the limits, which no test of something else uses up. */
export function addressShare(address = "127.0.0.1"): AddressShare {
  const limits = {
    maxHttpRequestsPerSecondPerAddress: 1e12,
    maxMessagesPerSecondPerAddress: 1e12,
    maxBytesPerSecondPerAddress: 1e12,
  };
  return new AddressShares(limits).acquire(address, 0);
}

/** The pair as the types that a Connection takes. */
export function fakeSockets() {
  const socket = new FakeSocket();
  const ws = new FakeWebSocket();
  return {
    socket,
    ws,
    asSocket: socket as unknown as Socket,
    asWebSocket: ws as unknown as ClientSocket,
  };
}

/** The ordinary sink of a connection, whose sends nobody counts. */
export const openNodeSink = (socket: Socket): NodeSink =>
  new NodeSink(socket, { native: () => {}, ordinary: () => {} });
