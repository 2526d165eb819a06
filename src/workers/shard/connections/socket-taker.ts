import type { Socket } from "node:net";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { Logger } from "../../../shared/log.js";
import type { TakeSocket } from "../../../transport/socket-hand-off.js";
import type { MainToShard, ShardToMain } from "../../messages.js";
import type { Accepted } from "../http/candidate.js";

const UNTAKEN_LOG_INTERVAL_MS = 1000;

interface SocketTakerHooks {
  /** A socket is this shard's, to be read from now on. */
  readonly taken: (accepted: Accepted, socket: Socket) => void;
  readonly tell: (message: ShardToMain) => void;
}

/** Takes the sockets that main hands over, and tells main which were taken and which have ended. */
export class SocketTaker {
  readonly #takeSocket: TakeSocket;
  readonly #counters: CounterSection;
  readonly #log: Logger;
  readonly #hooks: SocketTakerHooks;
  #untakenLoggedAt = Number.NEGATIVE_INFINITY;
  /** Connections that were taken and that have ended since main was told last. */
  #taken: number[] = [];
  #ended: number[] = [];

  constructor(
    takeSocket: TakeSocket,
    counters: CounterSection,
    log: Logger,
    hooks: SocketTakerHooks,
  ) {
    this.#takeSocket = takeSocket;
    this.#counters = counters;
    this.#log = log;
    this.#hooks = hooks;
  }

  /** Takes a socket; one that cannot be taken has ended for main. */
  take({
    connection,
    address,
    socket: inTransit,
    refusedBy,
    proxied = false,
  }: Extract<MainToShard, { type: "socket" }>): void {
    let socket: Socket;
    try {
      socket = this.#takeSocket(inTransit);
    } catch (error) {
      this.#logUntaken(error as Error);
      return this.#noteEnded(connection);
    }
    this.#taken.push(connection);
    count(this.#counters, SHARD.sockets);
    socket.once("close", () => {
      count(this.#counters, SHARD.sockets, -1);
      this.#noteEnded(connection);
    });
    const takenAt = performance.now();
    this.#hooks.taken({ number: connection, address, refusedBy, takenAt, proxied }, socket);
  }

  /**
   * Tells main what has come and gone, once per turn. A socket taken in this turn is not read before
   * the next, so if the thread ends here, main still hands on an untouched connection.
   */
  tellMoves(): void {
    if (this.#taken.length + this.#ended.length === 0) return;
    this.#hooks.tell({ type: "moves", taken: this.#taken, ended: this.#ended });
    this.#taken = [];
    this.#ended = [];
  }

  #noteEnded(connection: number): void {
    if (this.#ended.length === 0) setImmediate(() => this.tellMoves());
    this.#ended.push(connection);
  }

  /** Whatever keeps one socket from being taken may keep thousands. */
  #logUntaken(error: Error): void {
    const now = performance.now();
    if (now - this.#untakenLoggedAt < UNTAKEN_LOG_INTERVAL_MS) return;
    this.#untakenLoggedAt = now;
    this.#log.warn({ err: error }, "a socket could not be taken; told at most once a second");
  }
}
