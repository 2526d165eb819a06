import type { Socket } from "node:net";
import type { Config } from "../config/schema.js";
import {
  type CounterSection,
  countListed,
  MAIN,
  OPS_DROPS,
  type OpsDrop,
} from "../counters/counters.js";
import { OpsSocket } from "./ops-socket.js";

/** How long a connection without a request is kept; longer than the usual intervals of a scrape. */
const KEEP_ALIVE_MS = 65_000;
/** How long a client that has not sent its request to the end has to read why it is refused. */
const LINGER_MS = 1000;
/** Requests that a client may have asked ahead of their answers. */
const PIPELINED_MAX = 8;

interface OpsConnectionsOptions extends Pick<Config, "opsMaxConnections" | "opsRequestTimeoutMs"> {
  readonly counters: CounterSection;
}

interface State {
  timer: NodeJS.Timeout;
  /** Requests that are not answered to the end. */
  asked: number;
  /** It has had an answer, and no byte has come since. */
  idle: boolean;
}

/**
 * Bounds the connections to the operations port in number and in time. A newcomer is never turned
 * away: the one whose last request is longest ago, or whose accept where it had none, makes room for
 * it. So halves of requests, however many, do not keep out whoever asks at once.
 */
export class OpsConnections {
  readonly #options: OpsConnectionsOptions;
  /** The one whose last request is longest ago comes first. */
  readonly #states = new Map<OpsSocket, State>();

  constructor(options: OpsConnectionsOptions) {
    this.#options = options;
  }

  /** Takes a socket that was accepted, for the HTTP server to serve. */
  admit(accepted: Socket): OpsSocket {
    if (this.#states.size >= this.#options.opsMaxConnections) this.#makeRoom();
    const socket = new OpsSocket(accepted);
    const timer = this.#timer(socket, this.#options.opsRequestTimeoutMs);
    this.#states.set(socket, { timer, asked: 0, idle: false });
    this.#note();
    socket.on("data", () => this.#heard(socket));
    socket.once("finish", () => this.#restart(socket, LINGER_MS));
    socket.once("close", () => this.#forget(socket));
    return socket;
  }

  /** The head of a request has come. */
  asked(socket: OpsSocket): void {
    const state = this.#states.get(socket);
    if (state === undefined) return;
    state.asked++;
    this.#states.delete(socket);
    this.#states.set(socket, state);
    if (state.asked > PIPELINED_MAX) socket.destroy();
  }

  /** An answer has gone, or its connection has. */
  answered(socket: OpsSocket): void {
    const state = this.#states.get(socket);
    if (state === undefined) return;
    state.asked--;
    if (state.asked > 0 || socket.writableEnded) return;
    state.idle = true;
    this.#restart(socket, KEEP_ALIVE_MS);
  }

  destroy(): void {
    for (const socket of [...this.#states.keys()]) socket.destroy();
  }

  #heard(socket: OpsSocket): void {
    const state = this.#states.get(socket);
    if (state?.idle !== true) return;
    state.idle = false;
    this.#restart(socket, this.#options.opsRequestTimeoutMs);
  }

  #timer(socket: OpsSocket, ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      const idle = this.#states.get(socket)?.idle === true || socket.writableEnded;
      if (!idle) this.#countDrop("timeout");
      socket.destroy();
    }, ms);
  }

  #restart(socket: OpsSocket, ms: number): void {
    const state = this.#states.get(socket);
    if (state === undefined) return;
    clearTimeout(state.timer);
    state.timer = this.#timer(socket, ms);
  }

  #makeRoom(): void {
    const [socket] = this.#states.keys();
    if (socket === undefined) return;
    this.#countDrop("newcomer");
    this.#forget(socket);
    socket.destroy();
  }

  #forget(socket: OpsSocket): void {
    const state = this.#states.get(socket);
    if (state === undefined) return;
    clearTimeout(state.timer);
    this.#states.delete(socket);
    this.#note();
  }

  #countDrop(drop: OpsDrop): void {
    countListed(this.#options.counters, MAIN.opsDropped, OPS_DROPS, drop);
  }

  #note(): void {
    this.#options.counters[MAIN.opsConnections] = this.#states.size;
  }
}
