import type { Socket } from "node:net";
import { WebSocket } from "ws";
import { FRAME } from "../../../codec/frame-writer.js";
import type { ShardOptions } from "../../../config/thread-options.js";
import { CLOSE_CODES, type CloseCode } from "../../../contract/close-codes.js";
import { CLOSE, type Closing } from "../../../contract/closings.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { PresenceKey } from "../../../presence/presence-messages.js";
import type { GrantedSession } from "../../../shared/session.js";
import type { ByteSink, Taken } from "../../../transport/byte-sink.js";
import type { OpenSink } from "../../../transport/open-sink.js";
import type { Audience, Member } from "../fan-out/audience.js";
import type { ReplayCursor } from "../fan-out/replay-cursor.js";
import type { AddressShare } from "./address-shares.js";
import { Backlog } from "./backlog.js";
import {
  type ConnectionState,
  type FlowEvent,
  type FlowState,
  isBlocked,
  isLoading,
  nextFlowState,
} from "./connection-state.js";
import type { FrameBatch, LentBatch } from "./frame-batch.js";
import type { Framing } from "./framing.js";
import { Spender, type SpendingLimits } from "./spender.js";

/** Not behind: the connection has all that its audience was sent. */
const CURRENT = -1;
const { OPEN } = WebSocket;

/** What all connections of a shard share. */
export interface ConnectionContext
  extends SpendingLimits,
    Pick<ShardOptions, "maxQueuedMessages" | "maxQueuedBytes"> {
  readonly counters: CounterSection;
  /** Makes the sink that writes to a connection's socket. */
  readonly openSink: OpenSink;
  /** Called when a blocked connection's socket has taken all that was written to it. */
  readonly drained: (connection: Connection) => void;
  /** Called when the closing handshake starts: it will be sent nothing more. */
  readonly closing: (connection: Connection) => void;
}

/** A private message; `asked` where it answers a request for a snapshot, however large. */
export interface PrivateBatch extends FrameBatch {
  readonly asked?: boolean;
}

/** The WebSocket of a connection; `connection` is set as soon as the upgrade is done. */
export class ClientSocket extends WebSocket {
  declare connection: Connection;
}

/**
 * One client: its socket, its place in the fan-out, its identity.
 *
 * Frames are made elsewhere and given to its sink, beside `ws`, which writes control frames only: both
 * write whole frames, so they never mix. How far it is with what it is sent is its {@link state}. While
 * its socket has not taken all, states, prices and books are not kept: `missedSince` says from which
 * round on the latest ones are due, and `replay` where its trades go on. Private messages wait in a bounded
 * queue. Other replies are written at once, in a bounded amount.
 */
export class Connection extends Spender implements Member {
  readonly number: number;
  readonly socket: Socket;
  readonly ws: ClientSocket;
  /** Index of the encoding. */
  readonly encoding: number;
  readonly framing: Framing | undefined;
  readonly #context: ConnectionContext;
  readonly #sink: ByteSink;

  /** How long after its end the orders placed on it are cancelled, in ms; undefined: they are not. */
  readonly cancelAfterMs: number | undefined;
  /** Of a connection with a token. */
  session: GrantedSession | undefined;

  audience: Audience | undefined;
  /** Wallets of its private channels; see PrivateChannels. */
  wallets: Set<string> | undefined;
  /** Of its `Presence` channels; see PresenceWatchers. */
  presences: Set<PresenceKey> | undefined;
  /** Names of those that users publish to, and how many it is still sent the history of; see Channels. */
  channels: Set<string> | undefined;
  channelReplays = 0;

  replay: ReplayCursor | undefined;

  /** Round after which it has missed data, or CURRENT. */
  missedSince = CURRENT;
  /** What its audience had been offered at that moment. */
  offeredAtMiss = 0;
  conflated = 0;
  /** Round up to which its `Markets` channels are told, and later ones of some markets, by slot. */
  marketsSince = 0;
  marketsTold: Map<number, number> | undefined;
  /** The code the server closes it with. */
  closeCode: CloseCode | undefined;
  /** When it was upgraded, when anything, and when a message, came from it; ms of performance.now(). */
  readonly openedAt: number;
  heardAt: number;
  messageAt: number;
  /** When the ping was sent that waits for an answer; 0 where none does. */
  pingedAt = 0;
  /** Since when a message or frame of the client has begun and not ended, as it was read; 0: none has. */
  unfinishedSince = 0;
  /** Since when nothing shows that the client is there, while a ping waits for an answer. */
  silentSince = 0;

  #flow: FlowState = "current";
  /** How much of what it misses is counted as conflated already. */
  #conflatedCounted = 0;
  /** Of replies that the socket has not taken yet. */
  #replyBytes = 0;
  #backlog: Backlog | undefined;

  constructor(
    number: number,
    share: AddressShare,
    ws: ClientSocket,
    socket: Socket,
    encoding: number,
    context: ConnectionContext,
    now: number,
    cancelAfterMs: number | undefined,
    framing?: Framing,
  ) {
    super(share, context, now);
    this.number = number;
    this.ws = ws;
    this.socket = socket;
    this.encoding = encoding;
    this.framing = framing;
    this.#context = context;
    this.#sink = context.openSink(socket);
    this.openedAt = this.heardAt = this.messageAt = now;
    this.cancelAfterMs = cancelAfterMs;
  }

  /** Takes a message from the allowance; closes a client that goes on for another second's worth. */
  countMessage(now: number): boolean {
    const { maxMessagesPerSecond, counters } = this.#context;
    const left = this.messageAllowance.take(now);
    if (left >= 0) return true;
    count(counters, SHARD.rateLimited);
    if (left < -maxMessagesPerSecond) this.close(CLOSE.flooding(maxMessagesPerSecond));
    return false;
  }

  /** Whether frames may still be written. */
  get open(): boolean {
    return this.ws.readyState === OPEN;
  }

  /** Whether compression was negotiated, for both ways. */
  get compression(): boolean {
    return this.framing?.compressed === true;
  }

  /** Whether it has any subscription. */
  get subscribed(): boolean {
    return this.audience !== undefined || this.subscriptions > 0;
  }

  /** How many subscriptions it has; each market of a `PriceFeed` is one. */
  get subscriptions(): number {
    const { audience, wallets, channels, presences } = this;
    const beside = (wallets?.size ?? 0) + (channels?.size ?? 0) + (presences?.size ?? 0);
    return (audience?.subscriptions.size ?? 0) + beside;
  }

  get state(): ConnectionState {
    return this.open ? this.#flow : "closing";
  }

  /** Its socket has not taken all that was written to it. */
  get blocked(): boolean {
    return isBlocked(this.#flow);
  }

  /** Requests or first data of it wait for their turn or for its socket; FirstDataSender says so. */
  get loading(): boolean {
    return isLoading(this.#flow);
  }

  set loading(loading: boolean) {
    if (loading !== this.loading) this.#happens(loading ? "load" : "loaded");
  }

  /** Nothing may be written to it that can wait. */
  get waiting(): boolean {
    return this.#flow !== "current" && this.#flow !== "due";
  }

  get behind(): boolean {
    return this.missedSince !== CURRENT;
  }

  /** Whether it has, in order, all that its audience was sent, and takes more. */
  get current(): boolean {
    return this.#flow === "current";
  }

  /** Notes that data of the rounds after `round` is not kept for it. */
  miss(round: number, offered: number): void {
    if (this.behind) return;
    this.missedSince = round;
    this.offeredAtMiss = offered;
    this.#happens("due");
  }

  conflate(messages: number): number {
    const more = Math.max(0, messages - this.#conflatedCounted);
    this.#conflatedCounted += more;
    this.conflated += more;
    return more;
  }

  caughtUp(): void {
    this.missedSince = CURRENT;
    this.#conflatedCounted = 0;
    this.#settle();
  }

  moveTo(audience: Audience | undefined): void {
    this.audience = audience;
  }

  toldMarkets(round: number): void {
    this.marketsSince = round;
    this.marketsTold = undefined;
  }

  toldMarket(slot: number, round: number): void {
    this.marketsTold ??= new Map();
    this.marketsTold.set(slot, round);
  }

  /** It has not been told yet that the epoch has changed, so nothing private of the new one either. */
  get held(): boolean {
    return this.#formerWindow !== undefined;
  }

  get #formerWindow(): object | undefined {
    return this.replay?.window.former === true ? this.replay.window : undefined;
  }

  /** Whether private messages wait. */
  get hasQueue(): boolean {
    return this.#backlog !== undefined;
  }

  /**
   * Keeps a private message until the socket drains; over its bound it ends the connection.
   * @param asked the client asked for it, so that neither its size nor its messages are a sign of slowness
   */
  enqueue(batch: FrameBatch, asked = false): void {
    if (!this.open) return;
    const { maxQueuedMessages, maxQueuedBytes, counters } = this.#context;
    this.#backlog ??= new Backlog();
    this.#backlog.add(batch, asked, this.#formerWindow);
    this.#happens("due");
    count(counters, SHARD.queuedBytes, batch.bytes.length);
    if (this.#backlog.exceeds(maxQueuedMessages, maxQueuedBytes))
      this.close(CLOSE.queueFull(maxQueuedMessages, maxQueuedBytes));
  }

  /** Takes what was queued; empty where nothing was, and but for what came while it is {@link held}. */
  takeQueue(): readonly FrameBatch[] {
    return this.#takeQueue(this.#formerWindow);
  }

  #takeQueue(behind?: object): readonly FrameBatch[] {
    const backlog = this.#backlog;
    if (backlog === undefined) return [];
    const { bytes } = backlog;
    const batches = backlog.take(behind);
    count(this.#context.counters, SHARD.queuedBytes, backlog.bytes - bytes);
    if (backlog.empty) this.#backlog = undefined;
    this.#settle();
    return batches;
  }

  /**
   * Writes replies at once, blocked or not. A client that asks and does not read is closed as a slow
   * consumer when the answers that its socket has not taken exceed the bound.
   */
  reply(batches: readonly FrameBatch[]): void {
    if (!this.#takesReplies()) return;
    let bytes = 0;
    for (const batch of batches) bytes += batch.bytes.length;
    this.#replyBytes += bytes;
    this.writeAll(batches, () => {
      this.#replyBytes -= bytes;
    });
  }

  /** A {@link reply} to what the client has asked, which is charged for it. */
  answer(batches: readonly FrameBatch[]): void {
    this.chargeAnswer(batches.reduce((sum, batch) => sum + batch.bytes.length, 0));
    this.reply(batches);
  }

  /** Sends private messages: in their order, behind what waits already, and each of them. */
  deliver(batches: readonly PrivateBatch[]): void {
    if (this.blocked || this.hasQueue || this.held)
      for (const batch of batches) this.enqueue(batch, batch.asked === true);
    else this.writeAll(batches);
  }

  /** Writes whole frames that others are lent as well, in its framing already. */
  writeLent(batch: LentBatch): void {
    if (!this.open) return;
    this.#countSent(batch.length, batch.messages);
    if (!this.#sink.writeLent(batch)) this.#block();
  }

  /**
   * Writes batches of whole, plain frames in its framing, with one system call.
   * @param taken called when the socket has taken them all
   */
  writeAll(batches: readonly FrameBatch[], taken?: Taken): void {
    if (!this.open) return;
    const buffers: Buffer[] = [];
    for (const batch of batches) {
      if (batch.messages === 0) continue;
      const { bytes } = this.framing?.form(batch, this.encoding) ?? batch;
      this.#countSent(bytes.length, batch.messages);
      buffers.push(bytes);
    }
    const [only] = buffers;
    if (only === undefined) return taken?.();
    const sink = this.#sink;
    const tookAll = buffers.length === 1 ? sink.write(only, taken) : sink.writeAll(buffers, taken);
    if (!tookAll) this.#block();
  }

  /** Answers a ping; a client that pings and does not read is closed like one that asks and does not. */
  pong(payload: Buffer): void {
    if (!this.#takesReplies()) return;
    const frame = Buffer.allocUnsafeSlow(2 + payload.length);
    frame[0] = FRAME.pong;
    frame[1] = payload.length;
    payload.copy(frame, 2);
    this.#replyBytes += frame.length;
    this.control(frame, () => {
      this.#replyBytes -= frame.length;
    });
  }

  /** Writes a control frame: behind what the socket holds already, ahead of all that waits for it. */
  control(frame: Buffer, taken?: Taken): void {
    this.#countSent(frame.length, 0);
    if (!this.#sink.write(frame, taken)) this.#block();
  }

  /** Whether it may be replied to; closes one of which too many bytes of replies wait. */
  #takesReplies(): boolean {
    if (!this.open) return false;
    const { maxQueuedBytes } = this.#context;
    if (this.#replyBytes <= maxQueuedBytes) return true;
    this.close(CLOSE.repliesUnread(maxQueuedBytes));
    return false;
  }

  #countSent(bytes: number, messages: number): void {
    const { counters } = this.#context;
    count(counters, SHARD.messagesSent + this.encoding, messages);
    count(counters, SHARD.bytesSent, bytes);
  }

  /** See {@link ByteSink.hasTakenMore}. */
  hasTakenMore(): boolean {
    return this.#sink.hasTakenMore();
  }

  /** Starts the closing handshake, unless one has started; nothing is written after the close frame. */
  close({ code, reason }: Closing): void {
    if (!this.open) return;
    if (code === CLOSE_CODES.slowConsumer) count(this.#context.counters, SHARD.slowConsumersClosed);
    this.#takeQueue();
    this.closeCode = code;
    this.#sink.end();
    this.ws.close(code, reason);
    this.#context.closing(this);
  }

  /** Lets go of what is counted of it: its socket has closed. */
  ended(): void {
    this.#sink.end();
    this.#takeQueue();
    this.#unblock();
  }

  /**
   * Closes the connection if its token has expired by the clock on the wall, `nowMs` of Date.now();
   * returns whether it had. A timer would not hear of it when that clock is set.
   */
  closeExpired(nowMs: number): boolean {
    if (this.identity === undefined || nowMs < this.identity.expiresAt) return false;
    this.close(CLOSE.tokenExpired);
    return true;
  }

  /** Notes that its socket has not taken everything, until it has. */
  #block(): void {
    if (this.blocked) return;
    this.#happens("full");
    count(this.#context.counters, SHARD.blockedConnections);
    this.#sink.whenDrained(() => {
      this.#unblock();
      if (this.open) this.#context.drained(this);
    });
  }

  #unblock(): void {
    if (!this.blocked) return;
    this.#happens("drained");
    count(this.#context.counters, SHARD.blockedConnections, -1);
  }

  #happens(event: FlowEvent): void {
    this.#flow = nextFlowState(this.#flow, event);
    if (event === "drained" || event === "loaded") this.#settle();
  }

  /** Where nothing is due any more, it is current as soon as its socket and its first data allow. */
  #settle(): void {
    if (!this.behind && this.#backlog === undefined) this.#happens("caughtUp");
  }
}
