import { createServer, type Server, type Socket } from "node:net";
import type { Config } from "../config/schema.js";
import { type CounterSection, count, MAIN } from "../counters/counters.js";
import { clientAddress } from "../shared/client-address.js";
import type { Logger } from "../shared/log.js";
import {
  closeStrayDuplicates,
  cutConnections,
  descriptorOf,
  type SocketHandOffWay,
  sendSocket,
} from "../transport/socket-hand-off.js";
import type { MainToShard, RefusedBy } from "../workers/messages.js";
import { ConnectionLedger, type LedgerEntry } from "./connection-ledger.js";
import type { ShardPool } from "./shard-pool.js";
import { TrustedProxies } from "./trusted-proxies.js";

/** Connections the kernel completes ahead of their acceptance. */
const BACKLOG = 4096;
/** A failure that may come with every connection is logged at most so often, in ms. */
const LOG_INTERVAL_MS = 1000;

export type AcceptorOptions = Pick<
  Config,
  | "shards"
  | "maxConnections"
  | "maxConnectionsPerAddress"
  | "maxRefusals"
  | "trustedProxies"
  | "sendBufferSize"
  | "receiveBufferSize"
> & {
  readonly handOff: SocketHandOffWay;
};

/**
 * Accepts sockets, decides whether and on which shard, and hands them over. It reads no byte of a
 * connection and does nothing else, so that no fan-out delays an accept.
 */
export class Acceptor {
  readonly ledger: ConnectionLedger;
  readonly #options: AcceptorOptions;
  readonly #pool: ShardPool;
  readonly #counters: CounterSection;
  readonly #log: Logger;
  readonly #proxies: TrustedProxies;
  readonly #server: Server;
  /** Accepted while no shard was up, or left by one that died then: each once. */
  readonly #waiting = new Set<LedgerEntry>();
  #closed = false;
  /** A shard wants descriptors to start: nothing new is taken. */
  #relieving = false;
  #emptied: (() => void) | undefined;
  #failureLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AcceptorOptions, pool: ShardPool, counters: CounterSection, log: Logger) {
    this.#options = options;
    this.#pool = pool;
    this.#counters = counters;
    this.#log = log;
    this.ledger = new ConnectionLedger(options.shards);
    this.#proxies = new TrustedProxies(options.trustedProxies ?? []);
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  /** Listens; resolves with the port. Rejects with Node's error where it cannot. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.off("error", reject);
        // Closed while the host's address was looked up.
        if (this.#closed) this.#server.close();
        resolve();
      });
    });
    this.#server.on("error", (error) => this.#logFailure(error, "could not be accepted"));
    await this.#boundBuffers();
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  /** Stops listening. Connections stay, but for those that no shard has taken yet. */
  close(): void {
    this.#closed = true;
    this.#server.close();
    this.#dropWaiting();
  }

  /** Resolves when the last connection has ended. */
  emptied(): Promise<void> {
    return new Promise((resolve) => {
      this.#emptied = resolve;
      this.#checkEmptied();
    });
  }

  /** Lets go of connections that do not end by themselves. */
  giveUp(): void {
    for (let shard = 0; shard < this.#options.shards; shard++) {
      this.ended(this.ledger.ofShard(shard).map((entry) => entry.number));
    }
  }

  /** A shard has its socket: the original can go. */
  taken(number: number): void {
    const entry = this.ledger.get(number);
    if (entry === undefined) return;
    entry.socket?.destroy();
    entry.socket = undefined;
  }

  /** A proxy has said whose a connection is; its shard waits for what comes of that. */
  clientNamed(number: number, address: string): void {
    const entry = this.ledger.get(number);
    if (entry === undefined) return;
    const wasRefused = entry.refusedBy !== undefined;
    const refusedBy = this.#isFull(address) ? "address" : undefined;
    const cut = !wasRefused && refusedBy !== undefined && this.#hasTooManyRefused;
    if (cut) count(this.#counters, MAIN.destroyed);
    this.ledger.assign(entry, address, refusedBy);
    this.#note();
    this.#pool.port(entry.shard)?.postMessage({
      type: "client-verdict",
      connection: number,
      refusedBy: entry.refusedBy,
      cut,
    } satisfies MainToShard);
  }

  get #hasTooManyRefused(): boolean {
    return this.ledger.refused >= this.#options.maxRefusals;
  }

  ended(numbers: readonly number[]): void {
    for (const number of numbers) {
      this.taken(number);
      this.ledger.close(number);
    }
    this.#note();
    this.#checkEmptied();
  }

  /** A shard takes sockets: those that waited for one go there. */
  shardUp(): void {
    this.#relieving = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const entry of waiting) this.#handOff(entry);
  }

  /**
   * A shard could not be started for want of descriptors. What waits may hold the very ones that it
   * needs, so nothing new is taken until a shard is up.
   */
  relieve(): void {
    this.#relieving = true;
    this.#dropWaiting();
  }

  /** A shard died: sockets it had not taken go to another, all others died with it. */
  shardDown(shard: number): void {
    const entries = this.ledger.ofShard(shard);
    const untaken = entries.filter((entry) => entry.socket !== undefined);
    this.ended(entries.filter((entry) => entry.socket === undefined).map((entry) => entry.number));
    closeStrayDuplicates(untaken.map((entry) => entry.socket as Socket));
    for (const entry of untaken) this.#handOff(entry);
  }

  /**
   * A shard's thread does not end: all of its connections are cut. Those that it had not taken as well,
   * as nobody can tell how far it got with them.
   */
  shardLeftBehind(shard: number): void {
    const entries = this.ledger.ofShard(shard).filter((entry) => !this.#waiting.has(entry));
    const files = new Set(entries.flatMap(({ file }) => file ?? []));
    this.ended(entries.map(({ number }) => number));
    cutConnections(files).then(
      (cut) => this.#log.warn({ shard, cut }, "the shard's connections are cut"),
      (error: Error) => this.#log.error({ err: error }, "the shard's connections cannot be cut"),
    );
  }

  #accept(socket: Socket): void {
    const { remoteAddress } = socket;
    // Gone again before it was looked at.
    if (remoteAddress === undefined) return void socket.destroy();
    const address = clientAddress(remoteAddress);
    socket.on("error", () => socket.destroy());
    const proxied = this.#proxies.has(remoteAddress);
    // Of a proxy the address says nothing.
    const refusedBy = this.#refusedBy(proxied ? undefined : address);
    if ((refusedBy !== undefined && this.#hasTooManyRefused) || this.#relieving) {
      count(this.#counters, MAIN.destroyed);
      return void socket.destroy();
    }
    count(this.#counters, MAIN.accepted);
    const entry = this.ledger.open({ address, proxied, refusedBy }, this.#leastLoaded(), socket);
    this.#note();
    this.#handOff(entry);
  }

  #dropWaiting(): void {
    this.ended([...this.#waiting].map(({ number }) => number));
    this.#waiting.clear();
  }

  #refusedBy(address: string | undefined): RefusedBy | undefined {
    if (this.ledger.connections >= this.#options.maxConnections) return "total";
    return address !== undefined && this.#isFull(address) ? "address" : undefined;
  }

  #isFull(address: string): boolean {
    return this.ledger.from(address) >= this.#options.maxConnectionsPerAddress;
  }

  /** The shard with the fewest connections among those that are up; any where none is. */
  #leastLoaded(): number {
    let best = 0;
    for (let shard = 1; shard < this.#options.shards; shard++) {
      const better = this.ledger.on(shard) < this.ledger.on(best);
      if (
        this.#pool.ready(shard)
          ? better || !this.#pool.ready(best)
          : better && !this.#pool.ready(best)
      )
        best = shard;
    }
    return best;
  }

  #handOff(entry: LedgerEntry): void {
    const { number, address, proxied, socket, refusedBy } = entry;
    if (socket === undefined) return;
    if (!this.#pool.ready(entry.shard)) this.ledger.move(entry, this.#leastLoaded());
    const port = this.#pool.ready(entry.shard) ? this.#pool.port(entry.shard) : undefined;
    if (port === undefined) {
      this.#waiting.add(entry);
      return;
    }
    let sent = false;
    try {
      sent = sendSocket(this.#options.handOff, port, socket, (inTransit): MainToShard => {
        return {
          type: "socket",
          connection: number,
          address,
          socket: inTransit,
          ...(proxied && { proxied: true }),
          ...(refusedBy !== undefined && { refusedBy }),
        };
      });
    } catch (error) {
      this.#logFailure(error as Error, "could not be handed to a shard");
    }
    if (!sent) this.ended([number]);
    // Transferred, it is no longer main's to hand on.
    else if (this.#options.handOff === "transfer") entry.socket = undefined;
  }

  #logFailure(error: Error, what: string): void {
    const now = performance.now();
    if (now - this.#failureLoggedAt < LOG_INTERVAL_MS) return;
    this.#failureLoggedAt = now;
    this.#log.error(
      { err: error },
      `a connection ${what}; further failures are logged once a second`,
    );
  }

  #note(): void {
    this.#counters[MAIN.connections] = this.ledger.connections;
  }

  #checkEmptied(): void {
    if (this.ledger.size === 0) this.#emptied?.();
  }

  /**
   * Where libc can be called, bounds what the kernel keeps for slow readers, and of clients that are not
   * read; a default, not a must.
   */
  async #boundBuffers(): Promise<void> {
    const { sendBufferSize, receiveBufferSize } = this.#options;
    const fd = descriptorOf(this.#server);
    if (fd === undefined) return;
    try {
      const { boundReceiveBuffer, boundSendBuffer } = await import(
        "../transport/native-sockets.js"
      );
      if (sendBufferSize > 0) boundSendBuffer(fd, sendBufferSize);
      if (receiveBufferSize > 0) boundReceiveBuffer(fd, receiveBufferSize);
    } catch (error) {
      this.#log.info({ reason: (error as Error).message }, "buffers are left to the kernel");
    }
  }
}
