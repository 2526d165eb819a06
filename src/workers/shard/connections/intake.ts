import type { Socket } from "node:net";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { AddressShare } from "./address-shares.js";
import type { Connection } from "./connection.js";
import { FairQueue } from "./fair-queue.js";
import { type CompressedMessage, FrameScanner } from "./frame-scanner.js";
import { TurnBudget } from "./turn-budget.js";

/** How long requests are served in one turn of the event loop: as they come, and those that wait. */
const TURN_MS_MAX = 4;
const TURNS = { leastMs: TURN_MS_MAX, mostMs: 10, share: 0.5 };
/** What a connection is served before another has its turn. */
const QUANTUM_BYTES = 1024;
/** What a frame costs beside its bytes, as so many. */
const FRAME_COST_BYTES = 1024;
/** Bytes that wait are those of frames, most of them small. */
const WAITING_COST = 16;
/** A light connection has used no more than this: some 80 small messages a second, with their answers. */
const LIGHT_USE_MAX = 98_304;
/** Light connections are told apart by what they demand in so many steps. */
const LIGHT_RANKS = 32;
/** One of so many servings is of a connection that is not light, if one waits. */
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
  /** How often it has been held and not yet released. */
  holds: number;
  /** Among those that wait, of its address or for its own allowance. */
  waiting: boolean;
  /** Since when it waits or is held; ms of performance.now(). */
  stoppedAt: number;
  ended: boolean;
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
 * connections before the others, those first that demand the least. Of an address that has used up its allowance of messages or bytes only
 * the light connections are served, so that who sends little pays for nobody else there; a connection
 * that has used up its own allowance of bytes waits as well. Nobody is refused anything here.
 *
 * Invariants: a connection waits in at most one place; one that is held or has ended waits nowhere; what
 * `ws` holds of an unfinished message is little more than the message's bytes.
 */
export class Intake {
  readonly #counters: CounterSection;
  readonly #light = new FairQueue<AddressShare, Inbound>();
  readonly #heavy = new FairQueue<AddressShare, Inbound>();
  /** Until the next retry: connections without an allowance of their own or of their address. */
  readonly #delayed = new FairQueue<AddressShare, Inbound>();
  /** When requests that come now have to wait; ms of performance.now(), 0 where a turn begins. */
  #deadline = 0;
  /** Time of this turn that is on another budget, in ms; see {@link exempt}. */
  #exemptMs = 0;
  readonly #budget = new TurnBudget(TURNS, () => performance.now());
  #scheduled = false;
  #servings = 0;
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
      scanner: new FrameScanner(connection.compression),
      partial: undefined,
      partialLength: 0,
      held: false,
      holds: 0,
      waiting: false,
      stoppedAt: 0,
      ended: false,
    };
    socket.on("readable", this.#onReadable);
    // What came with the upgrade, or has ended since, is announced by no event.
    this.#enqueue(inboundOf(socket), performance.now());
  }

  /** Stops serving a connection until it is released as often as it was held; what it sends stays in its socket. */
  hold(connection: Connection): void {
    const inbound = inboundOf(connection.socket);
    inbound.holds++;
    if (inbound.held) return;
    this.#unqueue(inbound);
    inbound.held = true;
    inbound.stoppedAt = performance.now();
  }

  release(connection: Connection): void {
    const inbound = inboundOf(connection.socket);
    if (!inbound.held || inbound.ended || --inbound.holds > 0) return;
    inbound.held = false;
    const now = performance.now();
    this.#resumed(inbound, now);
    this.#enqueue(inbound, now);
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

  /** What is served now took so long, in ms, on a budget of its own: this turn's is not used up by it. */
  exempt(ms: number): void {
    this.#exemptMs += ms;
  }

  /** What the message that `ws` gives now is when it is inflated; undefined where it is as it came. */
  compressed({ socket }: Connection): CompressedMessage | undefined {
    return inboundOf(socket).scanner.compressed;
  }

  stop(): void {
    clearTimeout(this.#retry);
    for (const queue of [this.#light, this.#heavy, this.#delayed]) queue.clear();
  }

  readonly #onReadable = ((intake: Intake) =>
    function (this: Socket): void {
      intake.#arrived(inboundOf(this));
    })(this);

  #arrived(inbound: Inbound): void {
    if (inbound.waiting || inbound.held) return;
    const now = performance.now();
    if (this.#deadline === 0) {
      this.#exemptMs = 0;
      this.#deadline = now + TURN_MS_MAX;
      this.#schedule();
    }
    // Not before those of its kind and address that wait.
    const queue = rankOf(inbound, now) === undefined ? this.#heavy : this.#light;
    const mayServe = now - this.#exemptMs < this.#deadline && !queue.has(inbound.connection.share);
    if (mayServe && allows(inbound, now)) this.#serve(inbound, now);
    else this.#enqueue(inbound, now);
  }

  // --- Those that wait --------------------------------------------------------------------------

  #enqueue(inbound: Inbound, now: number): void {
    // Released within the very message that it was held for.
    if (inbound.waiting) return;
    const rank = rankOf(inbound, now);
    if (rank === undefined) this.#heavy.add(inbound.connection.share, inbound);
    else this.#light.add(inbound.connection.share, inbound, rank);
    this.#setWaiting(inbound, true, now);
    this.#schedule();
  }

  #unqueue(inbound: Inbound): void {
    if (!inbound.waiting) return;
    for (const queue of [this.#light, this.#heavy, this.#delayed])
      queue.delete(inbound.connection.share, inbound);
    this.#setWaiting(inbound, false, performance.now());
  }

  #setWaiting(inbound: Inbound, waiting: boolean, now: number): void {
    inbound.waiting = waiting;
    if (waiting) inbound.stoppedAt = now;
    else this.#resumed(inbound, now);
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
    this.#exemptMs = 0;
    let now = performance.now();
    const deadline = now + this.#budget.begin();
    let left = true;
    do {
      left = this.#serveNext(now);
      now = performance.now();
    } while (left && now - this.#exemptMs < deadline);
    this.#budget.end(left);
    if (left) this.#schedule();
  };

  /** Serves or delays the next one; returns false where nobody waits for a turn. */
  #serveNext(now: number): boolean {
    const { next } = this.#heavy;
    const heavyFirst = next !== undefined && ++this.#servings % HEAVY_EVERY === 0;
    const light = heavyFirst ? undefined : this.#light.take();
    if (light === undefined && next !== undefined && !hasAllowance(next, now)) {
      count(this.#counters, SHARD.requestsDelayedByAddress);
      this.#heavy.move(next, this.#delayed);
      this.#retryLater();
      return true;
    }
    const inbound = light ?? this.#heavy.take();
    if (inbound === undefined) return false;
    const { byteAllowance, share } = inbound.connection;
    if (byteAllowance.left(now) > 0) {
      this.#setWaiting(inbound, false, now);
      this.#serve(inbound, now);
    } else {
      count(this.#counters, SHARD.requestsDelayedByConnection);
      this.#delayed.add(share, inbound);
      this.#retryLater();
    }
    return true;
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#delayed.moveAll(this.#heavy);
      this.#schedule();
    }, RETRY_MS);
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
    if (socket.readableLength > 0) this.#enqueue(inbound, now);
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
    connection.usage.add(FRAME_COST_BYTES, now);
    connection.share.messages.take(now);
    if (scanner.control) connection.countMessage(now);
    else if (!scanner.unfinished) connection.unfinishedSince = 0;
  }

  /**
   * Gives `ws` a piece of a frame, `last` the one that ends it. `ws` keeps the pieces of a message until
   * it is whole, and would keep alive whatever they lie in: small ones are gathered, and those that may
   * be kept are copied into memory of their own. The header of a large frame goes at once, as it may be
   * of one that is too large.
   */
  #deliver(inbound: Inbound, piece: Buffer, last: boolean): void {
    const { scanner, partialLength } = inbound;
    const announcesMuch = !last && (scanner.announced ?? 0) > QUANTUM_BYTES;
    if (partialLength + piece.length <= QUANTUM_BYTES && (!last || partialLength > 0)) {
      inbound.partial ??= Buffer.allocUnsafeSlow(QUANTUM_BYTES);
      piece.copy(inbound.partial, partialLength);
      inbound.partialLength += piece.length;
      if (last || announcesMuch) this.#flushPartial(inbound);
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

/**
 * How much a light connection demands, in steps; undefined for one that is not light, by what it was
 * served. What waits counts as well here, so that who demands much is behind others while it waits.
 */
function rankOf({ connection }: Inbound, now: number): number | undefined {
  const used = connection.usage.at(now);
  if (used > LIGHT_USE_MAX) return undefined;
  const demand = used + WAITING_COST * connection.socket.readableLength;
  return Math.min(LIGHT_RANKS - 1, Math.floor((demand / LIGHT_USE_MAX) * LIGHT_RANKS));
}

function hasAllowance({ messages, bytes }: AddressShare, now: number): boolean {
  return messages.left(now) > 0 && bytes.left(now) > 0;
}

/** Whether a connection may be served as far as its allowances go. */
function allows(inbound: Inbound, now: number): boolean {
  const { byteAllowance, share } = inbound.connection;
  return (
    byteAllowance.left(now) > 0 && (rankOf(inbound, now) !== undefined || hasAllowance(share, now))
  );
}

/** The bytes in memory of exactly their size. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
