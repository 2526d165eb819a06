import { encodingAt } from "../../../codec/encodings.js";
import { FrameWriter } from "../../../codec/frame-writer.js";
import { SNAPSHOT_BYTES_MAX, SNAPSHOT_PART_BYTES_MAX } from "../../../codec/push-encoder.js";
import type { PublicChannel } from "../../../contract/channels-schema.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { Connection } from "../connections/connection.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Intake } from "../connections/intake.js";
import type { Outbox } from "../connections/outbox.js";
import { TurnBudget } from "../connections/turn-budget.js";
import type { FanOut } from "./fan-out.js";
import { FirstDataPlan, type PartSizes, type Position } from "./first-data.js";
import { type Load, loadOf, type Replays } from "./first-data-load.js";
import type { ReplayCursor } from "./replay-cursor.js";
import { SubscriptionSet } from "./subscription-set.js";
import { ARCHIVE_LOOK_MS } from "./trade-replays.js";

/** How long first data are made in a turn of the event loop. */
const TURN_MS_MAX = 4;
const TURNS = { leastMs: TURN_MS_MAX, mostMs: 20, share: 0.5 };
/** How long a request waits that can do nothing at the moment, in ms. */
const LATER_MS = 50;
/** What a connection is sent before it is another one's turn, in bytes. */
const TURN_BYTES_MAX = 256 * 1024;
const SIZES: PartSizes = { part: SNAPSHOT_PART_BYTES_MAX, snapshot: SNAPSHOT_BYTES_MAX };
/** Most bytes of parts that are kept for those who ask for the same in the same round. */
const SHARED_BYTES_MAX = 4 * 1024 * 1024;

interface FirstDataHooks {
  readonly systemStatus: () => ServerMessage;
  /** A connection waits no more; it may be due what it missed meanwhile. */
  readonly served: (connection: Connection) => void;
  /** A request failed, or what it asked for could not be made. */
  readonly failed: (connection: Connection, error: unknown) => void;
}

interface FirstDataOptions {
  readonly sizes?: PartSizes;
  /** A clock in ms. */
  readonly now?: () => number;
  /** Has a function called in the next turn of the event loop. */
  readonly defer?: (run: () => void) => void;
}

/** What a connection waits for. */
interface Waiting {
  load: Load | undefined;
  /** What it is subscribed to, where all of its first data are due anew and no load of them has begun. */
  restart: SubscriptionSet | undefined;
  /** A request that is taken up when the load is done. */
  request: (() => void) | undefined;
  /** The request is not taken up before a timer fires. */
  delayed: boolean;
  /** It gets first data of another epoch. */
  anew: boolean;
}

interface Part {
  readonly batch: FrameBatch;
  readonly next: Position;
}

/**
 * Sends first data: in parts, each as the socket has taken what was written before it, so that
 * whatever a client asks for costs one part of memory and is no sign of slowness.
 *
 * With each part its channels become subscriptions, so that updates follow their first data and none
 * comes twice; those of `Trades` from the beginning, as they have no first data, and those of `Markets`
 * as well, but they are told nothing until their snapshots are complete. Until then the connection's
 * further requests are held back, and replies stay in the order of their requests. So is a request that
 * changes subscriptions while the socket is full: it is taken up when there is room for its answer.
 *
 * Connections take turns, and a turn of the event loop makes first data for a few milliseconds only.
 * Equal parts of one round are made once.
 *
 * Invariant: `connection.loading` exactly while it is waiting here, and held at the intake.
 */
export class FirstDataSender {
  readonly #fanOut: FanOut;
  readonly #outbox: Outbox;
  readonly #intake: Pick<Intake, "hold" | "release" | "exempt">;
  readonly #counters: CounterSection;
  readonly #hooks: FirstDataHooks;
  readonly #sizes: PartSizes;
  readonly #now: () => number;
  readonly #defer: (run: () => void) => void;
  readonly #writer = new FrameWriter();
  readonly #waiting = new Map<Connection, Waiting>();
  /** Those that wait for their turn, not for their socket. */
  readonly #ready = new Set<Connection>();
  readonly #plans = new WeakMap<SubscriptionSet, FirstDataPlan>();
  readonly #shared = new Map<string, Part>();
  #sharedBytes = 0;
  #sharedEpoch = "";
  #sharedRound = 0;
  readonly #budget: TurnBudget;
  #spentMs = 0;
  #scheduled = false;

  constructor(
    fanOut: FanOut,
    outbox: Outbox,
    intake: Pick<Intake, "hold" | "release" | "exempt">,
    counters: CounterSection,
    hooks: FirstDataHooks,
    { sizes = SIZES, now, defer }: FirstDataOptions = {},
  ) {
    this.#fanOut = fanOut;
    this.#outbox = outbox;
    this.#intake = intake;
    this.#counters = counters;
    this.#hooks = hooks;
    this.#sizes = sizes;
    this.#now = now ?? (() => performance.now());
    this.#budget = new TurnBudget(TURNS, this.#now);
    this.#defer = defer ?? ((run) => setImmediate(run));
  }

  // --- What is asked for --------------------------------------------------------------------------

  /**
   * Takes up a request that changes subscriptions, or whose answer has to be read: at once, or when the
   * connection's socket has taken all that was written to it, and this turn's time is not spent.
   */
  take(connection: Connection, request: () => void): void {
    if (!connection.waiting && this.#spentMs < TURN_MS_MAX) {
      this.#intake.exempt(this.#timed(request));
      return;
    }
    const waiting = this.#wait(connection);
    if (waiting.request !== undefined)
      throw new Error("first data: a request came while another one waited");
    waiting.request = request;
    if (!connection.blocked) this.#makeReady(connection);
  }

  /** Has a request go on in a later turn, and the connection's further ones wait for it. */
  later(connection: Connection, request: () => void): void {
    this.#wait(connection).request = request;
    if (!connection.blocked) this.#makeReady(connection);
  }

  /** The same, some milliseconds later; until then the connection is sent what it is due of trades. */
  muchLater(connection: Connection, request: () => void): void {
    const waiting = this.#wait(connection);
    waiting.request = request;
    waiting.delayed = true;
    setTimeout(() => {
      waiting.delayed = false;
      this.#readyAgain(connection, waiting);
    }, LATER_MS).unref();
  }

  /**
   * Sends a reply and, behind it, what is to be replayed and the first data of channels, with which `target`
   * is subscribed to.
   */
  subscribe(
    connection: Connection,
    reply: ServerMessage,
    channels: readonly PublicChannel[],
    target: SubscriptionSet,
    replays?: Replays,
  ): void {
    const before = connection.audience?.subscriptions;
    const load = loadOf(new FirstDataPlan(channels), before, target, true, channels, replays);
    const head = this.#outbox.encode(connection.encoding, reply);
    // Of a request's own turn it takes one part, so that those who ask at once do not delay the others.
    if (!this.#send(connection, load, [head], 1)) this.#wait(connection).load = load;
  }

  /**
   * The markets are other ones now: sends everybody a message and, behind it, the first data of all
   * their subscriptions.
   */
  restart(connections: Iterable<Connection>, message: ServerMessage): void {
    const heads = this.#outbox.encodings.map((_, encoding) =>
      this.#outbox.encode(encoding, message),
    );
    for (const connection of connections) {
      if (!connection.open) continue;
      const known = this.#waiting.get(connection);
      const target = known?.restart ?? known?.load?.target ?? connection.audience?.subscriptions;
      // Behind what waits of the markets that were, which is trades.
      connection.deliver([heads[connection.encoding] as FrameBatch]);
      // It may have been closed for that.
      if (target === undefined || !connection.open) continue;
      const waiting = this.#wait(connection);
      waiting.load = undefined;
      waiting.restart = target;
      waiting.anew = true;
      if (!connection.blocked) this.#makeReady(connection);
    }
  }

  /** Whether connections that take it are still on their way back to their subscriptions, in another epoch. */
  get restarting(): boolean {
    for (const [connection, { anew }] of this.#waiting)
      if (anew && !connection.blocked) return true;
    return false;
  }

  /** Begins a load of all that a connection is subscribed to, from nothing. */
  #restarted(connection: Connection, target: SubscriptionSet): Load {
    // Members of an audience share their subscriptions, and with the plan its parts.
    const plan = this.#plans.get(target) ?? FirstDataPlan.of(target);
    this.#plans.set(target, plan);
    const load = loadOf(plan, undefined, target, false);
    load.told = target.beginning(undefined);
    this.#fanOut.join(connection, load.told);
    return load;
  }

  // --- Turns --------------------------------------------------------------------------------------

  /** Notes that a blocked connection has drained; returns whether it was waited for here. */
  drained(connection: Connection): boolean {
    if (!this.#waiting.has(connection)) return false;
    this.#makeReady(connection);
    return true;
  }

  /** Forgets a connection that closes. */
  forget(connection: Connection): void {
    if (this.#waiting.has(connection)) this.#leave(connection);
  }

  #wait(connection: Connection): Waiting {
    const known = this.#waiting.get(connection);
    if (known !== undefined) return known;
    const waiting: Waiting = {
      load: undefined,
      restart: undefined,
      request: undefined,
      delayed: false,
      anew: false,
    };
    this.#waiting.set(connection, waiting);
    connection.loading = true;
    count(this.#counters, SHARD.loadingConnections);
    this.#intake.hold(connection);
    // What does not wait for its socket has its next turn.
    if (!connection.blocked) this.#makeReady(connection);
    return waiting;
  }

  #leave(connection: Connection): void {
    this.#waiting.delete(connection);
    this.#ready.delete(connection);
    connection.loading = false;
    count(this.#counters, SHARD.loadingConnections, -1);
    if (!connection.blocked) this.#hooks.served(connection);
    this.#intake.release(connection);
  }

  #makeReady(connection: Connection): void {
    this.#ready.add(connection);
    this.#schedule();
  }

  /** A connection that had nothing to be sent is looked at again, where it still waits for the same. */
  #readyAgain(connection: Connection, waiting: Waiting): void {
    if (this.#waiting.get(connection) !== waiting || !connection.open) return;
    if (!connection.blocked) this.#makeReady(connection);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#defer(this.#turn);
  }

  /** Serves connections one after the other, each with a part, while there is time: one at least. */
  readonly #turn = (): void => {
    this.#scheduled = false;
    const turnMs = this.#budget.begin();
    do {
      const [connection] = this.#ready;
      if (connection === undefined) break;
      this.#ready.delete(connection);
      this.#timed(() => this.#serve(connection));
    } while (this.#spentMs < turnMs);
    this.#spentMs = 0;
    this.#budget.end(this.#ready.size > 0);
    if (this.#ready.size > 0) this.#schedule();
  };

  /** Counts the time that something takes as spent in this turn; returns it, in ms. */
  #timed(work: () => void): number {
    const startedAt = this.#now();
    work();
    const ms = this.#now() - startedAt;
    this.#spentMs += ms;
    // The next turn begins with none spent.
    this.#schedule();
    return ms;
  }

  #serve(connection: Connection): void {
    const waiting = this.#waiting.get(connection);
    // One that is blocked will be ready when it has drained.
    if (waiting === undefined || connection.blocked) return;
    try {
      if (connection.held) this.#fanOut.trades.send(connection);
      // Its trades of the former epoch come first.
      if (connection.held || connection.blocked) {
        if (!this.#waiting.has(connection) || connection.blocked) return;
        if (this.#fanOut.trades.waitsForArchive(connection))
          setTimeout(() => this.#readyAgain(connection, waiting), ARCHIVE_LOOK_MS).unref();
        else this.#makeReady(connection);
        return;
      }
      if (waiting.restart !== undefined) {
        waiting.load = this.#restarted(connection, waiting.restart);
        waiting.restart = undefined;
      }
      const { load, request } = waiting;
      if (load !== undefined) {
        // Trades that it missed come beside first data, in their turn.
        this.#fanOut.trades.send(connection);
        if (!connection.blocked && this.#send(connection, load, [])) waiting.load = undefined;
      } else if (waiting.delayed) {
        // With nothing to send it is looked at again when the timer fires.
        const isSent = this.#fanOut.trades.send(connection);
        if (isSent && this.#waiting.has(connection) && !connection.blocked)
          this.#makeReady(connection);
        return;
      } else if (request !== undefined) {
        waiting.request = undefined;
        request();
      }
    } catch (error) {
      return this.#hooks.failed(connection, error);
    }
    if (!this.#waiting.has(connection)) return;
    if (waiting.load === undefined && waiting.request === undefined) this.#leave(connection);
    else if (!connection.blocked) this.#makeReady(connection);
  }

  // --- Parts --------------------------------------------------------------------------------------

  /** Makes subscriptions of what has been told. */
  #join(connection: Connection, load: Load, told: SubscriptionSet): void {
    const first = load.told === undefined;
    load.told = told;
    this.#fanOut.join(connection, told);
    const { trades = [], archived } = load.replays ?? {};
    if (first && trades.length > 0) this.#fanOut.trades.seek(connection, trades, archived);
  }

  /**
   * Sends the next pieces of what is to be replayed of states, until they are so many bytes and as long as the
   * socket takes them, and makes subscriptions of their channels with the last one. Returns whether they are all
   * sent; where the window has passed them by, first data follow in their place.
   */
  #sendReplay(
    connection: Connection,
    load: Load,
    states: ReplayCursor,
    head: readonly FrameBatch[],
    bytesMax: number,
  ): boolean {
    const { replays, target, before } = load;
    const due = [...this.#fanOut.takeDue(connection), ...head];
    if (load.told === undefined) this.#join(connection, load, target.beginning(before));
    const endsAt = this.#now() + TURN_MS_MAX;
    let cursor = states;
    let lost = false;
    let bytes = 0;
    do {
      const piece = cursor.atHead ? undefined : cursor.piece(this.#fanOut.trades.encoder);
      if (piece === "lost") lost = true;
      else if (piece !== undefined) {
        const { batch, next } = piece;
        cursor.forgetPiece();
        cursor = next;
        due.push(batch);
        bytes += batch.bytes.length;
        connection.chargeAnswer(batch.bytes.length);
        count(this.#counters, SHARD.replayedMessages, batch.messages);
      } else if (!cursor.atHead) break;
      connection.writeAll(due.splice(0));
    } while (
      !lost &&
      connection.open &&
      !cursor.atHead &&
      !connection.blocked &&
      bytes < bytesMax &&
      this.#now() < endsAt
    );
    connection.writeAll(due);
    const channels = replays?.channels ?? [];
    if (lost) load.plan = new FirstDataPlan([...load.channels, ...channels]);
    else if (cursor.atHead) {
      const told = new SubscriptionSet(load.told);
      for (const channel of channels) told.add(channel);
      this.#join(connection, load, told);
    } else {
      load.replays = { trades: [], archived: [], channels, books: [], states: cursor };
      return false;
    }
    load.replays = undefined;
    return true;
  }

  /**
   * Sends what a connection is due and the next parts until they are so many bytes, as long as its
   * socket takes them at once, and makes them subscriptions; returns whether they were the last. First
   * data are at least as much as what is due, or else a client of much that changes would never come to
   * their end.
   */
  #send(
    connection: Connection,
    load: Load,
    head: readonly FrameBatch[],
    bytesMax = TURN_BYTES_MAX,
  ): boolean {
    if (!connection.open) return true;
    const states = load.replays?.states;
    if (states !== undefined) {
      const replayed = this.#sendReplay(connection, load, states, head, bytesMax);
      if (!connection.open) return true;
      return replayed && !connection.blocked && this.#send(connection, load, [], bytesMax);
    }
    const { plan, target, before, position } = load;
    const due = [...this.#fanOut.takeDue(connection), ...head];
    const dueBytes = due.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const bytesMin = Math.min(dueBytes, TURN_BYTES_MAX);
    const endsAt = this.#now() + TURN_MS_MAX;
    const goesOn = (bytes: number): boolean =>
      bytes < bytesMin || (bytes < bytesMax && !connection.blocked && this.#now() < endsAt);
    for (let bytes = 0; connection.open && (bytes === 0 || goesOn(bytes)); ) {
      const { batch, next } = this.#part(connection.encoding, plan, load.position);
      const done = next.index === plan.length;
      // With the first part it has what needs no first data, with the last one everything.
      if (done || load.told === undefined)
        this.#join(connection, load, done ? target : target.beginning(before));
      due.push(...this.#dueBeside(connection, load, next), batch);
      load.position = next;
      if (done && plan.systemStatus) {
        due.push(this.#outbox.encode(connection.encoding, this.#hooks.systemStatus()));
      }
      if (load.asked) connection.chargeAnswer(batch.bytes.length);
      connection.writeAll(due.splice(0));
      if (done) {
        this.#noteTold(connection, plan, position, next);
        return true;
      }
      // Also a part that says nothing is one.
      bytes += Math.max(1, batch.bytes.length);
    }
    if (!connection.open) return true;
    const { told = target.beginning(before) } = load;
    this.#join(connection, load, plan.extend(told, position, load.position));
    this.#noteTold(connection, plan, position, load.position);
    return false;
  }

  /** Parts say the latest there is, which merged streams may have still to tell. */
  #noteTold(connection: Connection, plan: FirstDataPlan, from: Position, to: Position): void {
    if (!connection.open) return;
    for (const [marketId, terms] of plan.streams(from, to)) {
      const stream = this.#fanOut.stream(marketId, terms);
      if (stream !== undefined) this.#fanOut.toldLatest(connection, stream);
    }
  }

  /** What the part up to a position leaves out of the markets that it tells of. */
  #dueBeside(connection: Connection, load: Load, to: Position): FrameBatch[] {
    const { plan, untold, position, target } = load;
    const { states } = target;
    const { markets, mirror } = this.#fanOut;
    const due: FrameBatch[] = [];
    for (const { key, complete, ...range } of plan.snapshots(position, to, mirror.markets.length)) {
      due.push(...markets.dueBeside(connection, { key, untold, states, ...range }));
      if (complete) untold.delete(key);
    }
    return due;
  }

  /** A part, made or shared. */
  #part(encoding: number, plan: FirstDataPlan, from: Position): Part {
    const { mirror, round } = this.#fanOut;
    if (this.#sharedEpoch !== mirror.epoch || this.#sharedRound !== round) this.#forgetShared();
    this.#sharedEpoch = mirror.epoch;
    this.#sharedRound = round;
    const key = `${encoding} ${from.index} ${from.slot} ${plan.key}`;
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const writer = this.#writer;
    writer.reset();
    const descriptor = encodingAt(this.#outbox.encodings, encoding);
    const { messages, next } = plan.write(writer, descriptor, this.#fanOut, from, this.#sizes);
    const part = { batch: { bytes: writer.copy(), messages }, next };
    this.#sharedBytes += part.batch.bytes.length + key.length;
    this.#shared.set(key, part);
    if (this.#sharedBytes > SHARED_BYTES_MAX) this.#forgetShared();
    return part;
  }

  #forgetShared(): void {
    this.#shared.clear();
    this.#sharedBytes = 0;
  }
}
