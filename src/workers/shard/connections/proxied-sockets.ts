import type { Socket } from "node:net";
import { type CounterSection, countListed, REFUSALS, SHARD } from "../../../counters/counters.js";
import { clientAddress } from "../../../shared/client-address.js";
import type { Logger } from "../../../shared/log.js";
import { PROXY_HEADER_BYTES_MAX, readProxyHeader } from "../../../transport/proxy-header.js";
import { startReading, stopReading } from "../../../transport/read-control.js";
import type { RefusedBy, ShardToMain } from "../../messages.js";
import type { Accepted } from "../http/candidate.js";

const FAULT_LOG_INTERVAL_MS = 1000;

interface ProxiedSocketsHooks {
  readonly tell: (message: ShardToMain) => void;
  /** Whose the connection is, is known, and whether it is within the limits. */
  readonly taken: (accepted: Accepted, socket: Socket) => void;
}

/** A socket whose client is not known yet, or not yet known to main. */
interface Waiting {
  readonly accepted: Accepted;
  readonly socket: Socket;
  readonly timer: NodeJS.Timeout;
  readonly onReadable: () => void;
  readonly onEnd: () => void;
  /** What has come, while it is no whole header. */
  held: Buffer;
  /** As soon as the header was read. */
  address: string | undefined;
}

const NOTHING = Buffer.alloc(0);

/**
 * Sockets from proxies, from their arrival to the end of the header that says who the client is. Main is told
 * that, and answers whether the client's address may have another connection.
 */
export class ProxiedSockets {
  readonly #handshakeTimeoutMs: number;
  readonly #counters: CounterSection;
  readonly #log: Logger;
  readonly #hooks: ProxiedSocketsHooks;
  readonly #waiting = new Map<number, Waiting>();
  #faultLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(
    handshakeTimeoutMs: number,
    counters: CounterSection,
    log: Logger,
    hooks: ProxiedSocketsHooks,
  ) {
    this.#handshakeTimeoutMs = handshakeTimeoutMs;
    this.#counters = counters;
    this.#log = log;
    this.#hooks = hooks;
  }

  /** Sockets that wait, to be destroyed with the shard. */
  get sockets(): Iterable<Socket> {
    return [...this.#waiting.values()].map(({ socket }) => socket);
  }

  /** Takes a socket; one that is no proxy's is its client's at once. */
  take(accepted: Accepted, socket: Socket): void {
    const { number, proxied } = accepted;
    if (!proxied) return this.#hooks.taken(accepted, socket);
    const timer = setTimeout(() => {
      countListed(this.#counters, SHARD.refusedByReason, REFUSALS, "timeout");
      socket.destroy();
    }, this.#handshakeTimeoutMs);
    const waiting: Waiting = {
      accepted,
      socket,
      timer,
      onReadable: () => this.#read(waiting),
      onEnd: () => {
        socket.destroy();
        this.#forget(waiting);
      },
      held: NOTHING,
      address: undefined,
    };
    this.#waiting.set(number, waiting);
    socket.on("readable", waiting.onReadable);
    socket.on("error", waiting.onEnd);
    socket.on("close", waiting.onEnd);
  }

  /** Main knows the client of a connection. */
  admitted(number: number, refusedBy: RefusedBy | undefined): void {
    const waiting = this.#waiting.get(number);
    if (waiting?.address === undefined) return;
    const { accepted, socket, address } = waiting;
    this.#forget(waiting);
    if (socket.destroyed) return;
    startReading(socket);
    this.#hooks.taken({ ...accepted, address, refusedBy }, socket);
  }

  #read(waiting: Waiting): void {
    const { socket, accepted } = waiting;
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    // It comes in one packet, as a rule.
    const received = waiting.held.length === 0 ? chunk : Buffer.concat([waiting.held, chunk]);
    const header = readProxyHeader(received);
    switch (header.what) {
      case "part":
        if (received.length >= PROXY_HEADER_BYTES_MAX)
          throw new Error("proxied sockets: a part that is longer than a header may be");
        waiting.held = received;
        return;
      case "fault":
        countListed(this.#counters, SHARD.refusedByReason, REFUSALS, "proxy-header");
        this.#logFault(accepted.address, header.text);
        return void socket.destroy();
      case "header": {
        stopReading(socket);
        // Ahead of main's answer: who listens in the turn in which another has left hears of nothing that is there.
        socket.off("readable", waiting.onReadable);
        const rest = received.subarray(header.bytes);
        if (rest.length > 0) socket.unshift(rest);
        waiting.address =
          header.client === undefined ? accepted.address : clientAddress(header.client);
        const { number } = accepted;
        this.#hooks.tell({ type: "client", connection: number, address: waiting.address });
        return;
      }
      default:
        return header satisfies never;
    }
  }

  /** Leaves the socket to others. */
  #forget({ accepted: { number }, socket, timer, onReadable, onEnd }: Waiting): void {
    clearTimeout(timer);
    this.#waiting.delete(number);
    socket.off("readable", onReadable).off("error", onEnd).off("close", onEnd);
  }

  /** Whoever sends something else may send it thousands of times. */
  #logFault(proxy: string, text: string): void {
    const now = performance.now();
    if (now - this.#faultLoggedAt < FAULT_LOG_INTERVAL_MS) return;
    this.#faultLoggedAt = now;
    this.#log.warn({ proxy }, `a connection of a proxy is cut: ${text}`);
  }
}
