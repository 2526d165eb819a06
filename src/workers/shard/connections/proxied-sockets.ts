import type { Socket } from "node:net";
import { type CounterSection, countListed, REFUSALS, SHARD } from "../../../counters/counters.js";
import { clientAddress } from "../../../shared/client-address.js";
import type { Logger } from "../../../shared/log.js";
import { PROXY_HEADER_BYTES_MAX, readProxyHeader } from "../../../transport/proxy-header.js";
import { startReading, stopReading } from "../../../transport/read-control.js";
import type { MainToShard, ShardToMain } from "../../messages.js";
import type { Accepted } from "../http/candidate.js";

type Verdict = Extract<MainToShard, { type: "client-verdict" }>;

const FAULT_LOG_INTERVAL_MS = 1000;

interface ProxiedSocketsHooks {
  readonly tell: (message: ShardToMain) => void;
  /** Whose the connection is, is known, and whether it is within the limits. */
  readonly taken: (accepted: Accepted, socket: Socket) => void;
}

/** A socket whose client is not known yet, or not yet known to main. */
interface Unnamed {
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
  readonly #waiting = new Map<number, Unnamed>();
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

  take(accepted: Accepted, socket: Socket): void {
    const { number } = accepted;
    const timer = setTimeout(() => {
      countListed(this.#counters, SHARD.refusedByReason, REFUSALS, "timeout");
      socket.destroy();
    }, this.#handshakeTimeoutMs);
    const waiting: Unnamed = {
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

  /** Main knows the client of a connection, and whether it may have it. */
  decided({ connection, refusedBy, cut }: Verdict): void {
    const waiting = this.#waiting.get(connection);
    if (waiting?.address === undefined) return;
    const { accepted, socket, address } = waiting;
    this.#forget(waiting);
    if (cut) socket.destroy();
    if (socket.destroyed) return;
    startReading(socket);
    this.#hooks.taken({ ...accepted, address, refusedBy }, socket);
  }

  #read(waiting: Unnamed): void {
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
        this.#hooks.tell({ type: "client-named", connection: number, address: waiting.address });
        return;
      }
      default:
        return header satisfies never;
    }
  }

  /** Leaves the socket to others. */
  #forget({ accepted: { number }, socket, timer, onReadable, onEnd }: Unnamed): void {
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
