import type { Socket } from "node:net";
import { type CounterSection, count, SHARD } from "../../ring/counters.js";
import type { AddressShare } from "./address-shares.js";
import type { Connection } from "./connection.js";
import { FrameScanner } from "./frame-scanner.js";

/** How long requests are served in one turn of the event loop: as they come, and those that wait. */
const TURN_MS_MAX = 4;
/** What a connection is served before another has its turn; who has no more than that waiting is light. */
const QUANTUM_BYTES = 1024;
/** Of so many servings of an address, one is of a connection that is not light, if one waits. */
const HEAVY_EVERY = 4;
/** How often those that wait for an allowance are looked at. */
const RETRY_MS = 10;

/** How `ws` is given what its socket has received. */
type Deliver = (this: Socket, bytes: Buffer) => void;

/** The receiving end of a connection. */
interface Inbound {
  readonly connection: Connection;
  readonly deliver: Deliver;
  readonly scanner: FrameScanner;
  /** The beginning of a small piece of a frame, gathered, and how long it is. */
  partial: Buffer | undefined;
  partialLength: number;
  held: boolean;
  /** Among those that wait, of its address or for its own allowance. */
  waiting: boolean;
  /** Since when it waits or is held; ms of performance.now(). */
  stoppedAt: number;
  ended: boolean;
}

/** The connections of an address that have something to be served. */
interface Waiting {
  readonly share: AddressShare;
  readonly light: Set<Inbound>;
  readonly heavy: Set<Inbound>;
  servings: number;
}

/** A socket of which this module reads. */
interface ReadSocket extends Socket {
  inbound?: Inbound;
}

/**
 * Takes in what clients send, in pieces, fairly and for a bounded time per turn of the event loop, and
 * gives it to `ws`, one frame at a time.
 *
 * The bytes that wait are in the sockets' streams: a socket that is not read holds back its client, so
 * nothing else grows. What comes is served at once as long as the turn has time; the rest waits and is
 * served in later turns, round and round: between addresses first, then within an address its light
 * connections, which have little waiting, before the others. An address that has used up its allowance
 * of messages or bytes is served its light connections only, and at a debt of another second nothing; a
 * connection that has used up its own of bytes waits as well. Nobody is refused anything here.
 *
 * Invariants: a connection waits in at most one place; one that is held or has ended waits nowhere; what
 * `ws` holds of an unfinished message is little more than the message's bytes.
 */
export class Intake {
  readonly #counters: CounterSection;
  readonly #ready = new Map<AddressShare, Waiting>();
  /** Until the next retry: connections and addresses without an allowance. */
  readonly #delayed = new Map<AddressShare, Waiting>();
  readonly #delayedConnections = new Set<Inbound>();
  /** When requests that come now have to wait; ms of performance.now(), 0 where a turn begins. */
  #deadline = 0;
  #scheduled = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(counters: CounterSection) {
    this.#counters = counters;
  }

  /** Takes over the reading of a connection that was just upgraded. */
  attach(connection: Connection): void {
    const socket: ReadSocket = connection.socket;
    const listeners = socket.listeners("data") as Deliver[];
    const [deliver] = listeners;
    if (deliver === undefined || listeners.length !== 1)
      throw new Error(`intake: ws reads with ${listeners.length} listeners, not with one`);
    socket.off("data", deliver);
    socket.inbound = {
      connection,
      deliver,
      scanner: new FrameScanner(),
      partial: undefined,
      partialLength: 0,
      held: false,
      waiting: false,
      stoppedAt: 0,
      ended: false,
    };
    socket.on("readable", this.#onReadable);
  }

  /** Stops serving a connection until it is released; what it sends stays in its socket. */
  hold(connection: Connection): void {
    const inbound = inboundOf(connection.socket);
    if (inbound.held) return;
    this.#unqueue(inbound);
    inbound.held = true;
    inbound.stoppedAt = performance.now();
  }

  release(connection: Connection): void {
    const inbound = inboundOf(connection.socket);
    if (!inbound.held || inbound.ended) return;
    inbound.held = false;
    this.#resumed(inbound, performance.now());
    this.#enqueue(inbound);
  }

  /**
   * Ends the reading of a connection whose frames are of no interest any more. What its socket still
   * receives is dropped, so that the socket can end.
   */
  end(connection: Connection): void {
    const socket: ReadSocket = connection.socket;
    const inbound = inboundOf(socket);
    if (inbound.ended) return;
    inbound.ended = true;
    inbound.partial = undefined;
    this.#unqueue(inbound);
    socket.off("readable", this.#onReadable);
    socket.resume();
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#ready.clear();
  }

  readonly #onReadable = ((intake: Intake) =>
    function (this: Socket): void {
      intake.#arrived(inboundOf(this));
    })(this);

  #arrived(inbound: Inbound): void {
    if (inbound.waiting || inbound.held) return;
    const now = performance.now();
    if (this.#deadline === 0) {
      this.#deadline = now + TURN_MS_MAX;
      this.#schedule();
    }
    const mayServe = now < this.#deadline && !this.#ready.has(inbound.connection.share);
    if (mayServe && this.#allows(inbound, now)) this.#serve(inbound, now);
    else this.#enqueue(inbound);
  }

  // --- Those that wait --------------------------------------------------------------------------

  #enqueue(inbound: Inbound): void {
    const { share } = inbound.connection;
    const waiting = this.#delayed.get(share) ??
      this.#ready.get(share) ?? { share, light: new Set(), heavy: new Set(), servings: 0 };
    if (!this.#delayed.has(share)) this.#ready.set(share, waiting);
    (isLight(inbound) ? waiting.light : waiting.heavy).add(inbound);
    this.#setWaiting(inbound, true);
    this.#schedule();
  }

  #unqueue(inbound: Inbound): void {
    if (!inbound.waiting) return;
    const { share } = inbound.connection;
    this.#delayedConnections.delete(inbound);
    for (const places of [this.#ready, this.#delayed]) {
      const waiting = places.get(share);
      if (waiting === undefined) continue;
      waiting.light.delete(inbound);
      waiting.heavy.delete(inbound);
      if (waiting.light.size + waiting.heavy.size === 0) places.delete(share);
    }
    this.#setWaiting(inbound, false);
  }

  #setWaiting(inbound: Inbound, waiting: boolean): void {
    if (inbound.waiting === waiting) return;
    inbound.waiting = waiting;
    if (waiting) inbound.stoppedAt = performance.now();
    else this.#resumed(inbound, performance.now());
    count(this.#counters, SHARD.requestsWaiting, waiting ? 1 : -1);
  }

  /** The time for which a client was not read does not count for a message that it has not finished. */
  #resumed({ connection, stoppedAt }: Inbound, now: number): void {
    if (connection.unfinishedSince > 0) connection.unfinishedSince += now - stoppedAt;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  /** Serves those that wait, and lets the next turn begin. */
  readonly #turn = (): void => {
    this.#scheduled = false;
    this.#deadline = 0;
    let now = performance.now();
    const deadline = now + TURN_MS_MAX;
    do {
      const [waiting] = this.#ready.values();
      if (waiting === undefined) return;
      this.#serveOne(waiting, now);
      now = performance.now();
    } while (now < deadline);
    this.#schedule();
  };

  /** Serves one connection of an address, and puts the address behind the others. */
  #serveOne(waiting: Waiting, now: number): void {
    const { share, light, heavy } = waiting;
    this.#ready.delete(share);
    const [inbound] =
      heavy.size > 0 && (light.size === 0 || ++waiting.servings % HEAVY_EVERY === 0)
        ? heavy
        : light;
    if (inbound === undefined) return;
    const own = inbound.connection.byteAllowance.left(now) > 0;
    if (own && !allowsShare(share, light.has(inbound), now)) {
      // A light one may go where a heavy one may not.
      const [other] = light;
      if (other === undefined || other === inbound || !allowsShare(share, true, now)) {
        this.#delayed.set(share, waiting);
        count(this.#counters, SHARD.requestsDelayedByAddress);
        return this.#retryLater();
      }
      this.#take(waiting, other);
      return this.#serve(other, now);
    }
    this.#take(waiting, inbound);
    if (own) return this.#serve(inbound, now);
    this.#setWaiting(inbound, true);
    this.#delayedConnections.add(inbound);
    count(this.#counters, SHARD.requestsDelayedByConnection);
    this.#retryLater();
  }

  /** Takes a connection off those of its address that wait; the address stays while there are others. */
  #take(waiting: Waiting, inbound: Inbound): void {
    waiting.light.delete(inbound);
    waiting.heavy.delete(inbound);
    if (waiting.light.size + waiting.heavy.size > 0) this.#ready.set(waiting.share, waiting);
    this.#setWaiting(inbound, false);
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      const connections = [...this.#delayedConnections];
      this.#delayedConnections.clear();
      for (const [share, waiting] of this.#delayed) this.#ready.set(share, waiting);
      this.#delayed.clear();
      for (const inbound of connections) this.#enqueue(inbound);
      this.#schedule();
    }, RETRY_MS);
  }

  #allows({ connection }: Inbound, now: number): boolean {
    const light = connection.socket.readableLength <= QUANTUM_BYTES;
    return connection.byteAllowance.left(now) > 0 && allowsShare(connection.share, light, now);
  }

  // --- Serving ----------------------------------------------------------------------------------

  /** Serves a connection up to a quantum, and lets it wait for its next turn if there is more. */
  #serve(inbound: Inbound, now: number): void {
    const { connection } = inbound;
    const { socket } = connection;
    const length = Math.min(QUANTUM_BYTES, socket.readableLength);
    const bytes = length > 0 ? (socket.read(length) as Buffer | null) : null;
    if (bytes !== null) {
      const served = this.#serveBytes(inbound, bytes, now);
      connection.charge(served, now);
    }
    if (inbound.ended || inbound.held) return;
    if (socket.readableLength > 0) this.#enqueue(inbound);
    // Beyond the last byte, to hear of the client's end.
    else socket.read();
  }

  /** Delivers frames until the connection is held or ends; returns how many bytes were. */
  #serveBytes(inbound: Inbound, bytes: Buffer, now: number): number {
    const { connection, scanner } = inbound;
    let at = 0;
    while (at < bytes.length) {
      const end = scanner.scan(bytes, at);
      const whole = scanner.betweenFrames;
      this.#deliver(inbound, bytes.subarray(at, end), whole);
      at = end;
      if (inbound.ended) return at;
      if (whole && scanner.close) {
        this.end(connection);
        return at;
      }
      if (whole) this.#countFrame(inbound, now);
      if (inbound.held) {
        if (at < bytes.length) connection.socket.unshift(bytes.subarray(at));
        break;
      }
    }
    if (scanner.unfinished && connection.unfinishedSince === 0) connection.unfinishedSince = now;
    return at;
  }

  #countFrame({ connection, scanner }: Inbound, now: number): void {
    connection.share.messages.take(now);
    if (scanner.control) connection.countMessage(now);
    else if (!scanner.unfinished) connection.unfinishedSince = 0;
  }

  /**
   * Gives `ws` a piece of a frame, `last` the one that ends it. `ws` keeps the pieces of a message until
   * it is whole, and would keep alive whatever they lie in: small ones are gathered, and those that may
   * be kept are copied into memory of their own.
   */
  #deliver(inbound: Inbound, piece: Buffer, last: boolean): void {
    const { scanner, partialLength } = inbound;
    if (partialLength + piece.length <= QUANTUM_BYTES && (!last || partialLength > 0)) {
      inbound.partial ??= Buffer.allocUnsafeSlow(QUANTUM_BYTES);
      piece.copy(inbound.partial, partialLength);
      inbound.partialLength += piece.length;
      if (last) this.#flushPartial(inbound);
      return;
    }
    this.#flushPartial(inbound);
    const kept = !last || scanner.fragment;
    inbound.deliver.call(inbound.connection.socket, kept ? copyOf(piece) : piece);
  }

  #flushPartial(inbound: Inbound): void {
    const { partial, partialLength } = inbound;
    if (partial === undefined || partialLength === 0) return;
    inbound.partial = undefined;
    inbound.partialLength = 0;
    inbound.deliver.call(inbound.connection.socket, copyOf(partial.subarray(0, partialLength)));
  }
}

function inboundOf(socket: ReadSocket): Inbound {
  const { inbound } = socket;
  if (inbound === undefined) throw new Error("intake: a socket that was not attached");
  return inbound;
}

function isLight({ connection }: Inbound): boolean {
  return connection.socket.readableLength <= QUANTUM_BYTES;
}

function allowsShare({ messages, bytes }: AddressShare, light: boolean, now: number): boolean {
  const [messagesLeft, bytesLeft] = [messages.left(now), bytes.left(now)];
  if (!light) return messagesLeft > 0 && bytesLeft > 0;
  return messagesLeft > -messages.perSecond && bytesLeft > -bytes.perSecond;
}

/** The bytes in memory of exactly their size. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
