import type { Socket } from "node:net";
import { WebSocket } from "ws";
import { FRAME } from "../../../codec/frame-writer.js";
import { CLOSE, type CloseCode } from "../../../contract/close-codes.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { Audience, Batch } from "../fan-out/audience.js";
import type { Identity } from "../requests/authenticator.js";
import type { AddressShare } from "./address-shares.js";
import type { Holder } from "./fair-budget.js";
import { TokenBucket } from "./token-bucket.js";
import { Usage } from "./usage.js";

/** Not behind: the connection has all that its audience was sent. */
const CURRENT = -1;
const NOTHING: Batch = { bytes: Buffer.alloc(0), messages: 0 };
const { OPEN } = WebSocket;

/** What all connections of a shard share. */
export interface ConnectionContext {
  readonly counters: CounterSection;
  readonly maxQueuedMessages: number;
  readonly maxQueuedBytes: number;
  readonly maxMessagesPerSecond: number;
  readonly maxBytesPerSecond: number;
  readonly maxOrdersPerSecond: number;
  /** Called when a blocked connection's socket has taken all that was written to it. */
  readonly drained: (connection: Connection) => void;
  /** Called when the closing handshake starts: it will be sent nothing more. */
  readonly closing: (connection: Connection) => void;
}

/** What the kernel has been given of a socket's writes, which Node tells nobody else. */
interface SocketHandle {
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
}

/** A private message; `asked` where it answers a request for a snapshot, however large. */
export interface PrivateBatch extends Batch {
  readonly asked?: boolean;
}

/** The WebSocket of a connection; `connection` is set as soon as the upgrade is done. */
export class ClientSocket extends WebSocket {
  declare connection: Connection;
}

/**
 * One client: its socket, its place in the fan-out, its identity.
 *
 * Frames are made elsewhere and written to the socket directly, beside `ws`, which writes control
 * frames only: both write whole frames, so they never mix. A connection is blocked from the moment
 * its socket does not take a write at once until it has drained. Meanwhile states, prices and books
 * are not kept: `missedSince` says from which round on the latest ones are due. Trades and private
 * messages wait in a bounded queue. Other replies are written at once, in a bounded amount. While it
 * is loading, FirstDataSender alone writes states, prices and books to it, as if it were blocked.
 */
export class Connection {
  readonly number: number;
  /** What it shares with the other connections of its address. */
  readonly share: AddressShare;
  readonly socket: Socket;
  readonly ws: ClientSocket;
  /** Index of the encoding. */
  readonly encoding: number;
  readonly #context: ConnectionContext;

  /** Its open orders are cancelled when it ends. */
  readonly cancelOnDisconnect: boolean;

  identity: Identity | undefined;
  audience: Audience | undefined;
  /** Wallets of its private channels; see PrivateChannels. */
  wallets: Set<string> | undefined;

  /** Round after which it has missed data, or CURRENT. */
  missedSince = CURRENT;
  /** What its audience had been offered at that moment. */
  offeredAtMiss = 0;
  /** Round up to which its `Markets` channels are told, and later ones of some markets, by slot. */
  marketsSince = 0;
  marketsTold: Map<number, number> | undefined;
  /** How much of what it misses is counted as conflated already. */
  conflatedCounted = 0;
  /** Requests or first data of it wait for their turn or for its socket; see FirstDataSender. */
  loading = false;
  /** The code the server closes it with. */
  closeCode: number | undefined;
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
  /** Messages and orders the client may still send. */
  readonly messageAllowance: TokenBucket;
  readonly orderAllowance: TokenBucket;
  /** Bytes it may still send and have in answers; see {@link charge}. */
  readonly byteAllowance: TokenBucket;
  /** What its requests have cost lately, in bytes. */
  readonly usage: Usage;

  #blocked = false;
  /** Of replies that the socket has not taken yet. */
  #replyBytes = 0;
  #queue: Batch[] | undefined;
  #queuedMessages = 0;
  #queuedBytes = 0;
  /** Of what was asked for, among them. */
  #askedBytes = 0;
  #takenAtLook = 0;
  #waitedAtLook = false;

  constructor(
    number: number,
    share: AddressShare,
    ws: ClientSocket,
    socket: Socket,
    encoding: number,
    context: ConnectionContext,
    now: number,
    cancelOnDisconnect: boolean,
  ) {
    this.number = number;
    this.share = share;
    this.ws = ws;
    this.socket = socket;
    this.encoding = encoding;
    this.#context = context;
    this.openedAt = this.heardAt = this.messageAt = now;
    this.cancelOnDisconnect = cancelOnDisconnect;
    this.messageAllowance = new TokenBucket(now, context.maxMessagesPerSecond);
    this.orderAllowance = new TokenBucket(now, context.maxOrdersPerSecond);
    this.byteAllowance = new TokenBucket(now, context.maxBytesPerSecond);
    this.usage = new Usage(now);
  }

  get address(): string {
    return this.share.address;
  }

  /**
   * Charges what a client has sent, or made the server do, in bytes: to it and to its address. A debt
   * has its next requests wait.
   */
  charge(bytes: number, now: number): void {
    this.usage.add(bytes, now);
    this.byteAllowance.take(now, bytes);
    this.share.bytes.take(now, bytes);
  }

  /** Charges an answer to the connection alone: many of an address may be given the same bytes, made once. */
  chargeAnswer(bytes: number): void {
    const now = performance.now();
    this.usage.add(bytes, now);
    this.byteAllowance.take(now, bytes);
  }

  /** Takes a message from the allowance; closes a client that goes on for another second's worth. */
  countMessage(now: number): boolean {
    const { maxMessagesPerSecond, counters } = this.#context;
    const left = this.messageAllowance.take(now);
    if (left >= 0) return true;
    count(counters, SHARD.rateLimited);
    if (left < -maxMessagesPerSecond) {
      const reason = `more than ${maxMessagesPerSecond} messages a second after RATE_LIMITED`;
      this.close(CLOSE.flooding, reason);
    }
    return false;
  }

  /** Whether frames may still be written. */
  get open(): boolean {
    return this.ws.readyState === OPEN;
  }

  /** Whether it has any subscription. */
  get subscribed(): boolean {
    return this.audience !== undefined || (this.wallets?.size ?? 0) > 0;
  }

  /** Who uses its share of what all connections have together. */
  get holder(): Holder {
    const { address, identity } = this;
    const name = identity === undefined ? `address ${address}` : `user ${identity.userId}`;
    return { name, group: address };
  }

  /** Whose trading it is: its wallet's, however many connections and users that has. */
  get trader(): Holder {
    const wallet = this.identity?.wallet ?? undefined;
    return wallet === undefined ? this.holder : { name: `wallet ${wallet}`, group: this.address };
  }

  /** Its socket has not taken all that was written to it. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Nothing may be written to it that can wait. */
  get waiting(): boolean {
    return this.#blocked || this.loading;
  }

  get behind(): boolean {
    return this.missedSince !== CURRENT;
  }

  /** Whether it has, in order, all that its audience was sent, and takes more. */
  get current(): boolean {
    return !this.waiting && !this.behind && !this.hasQueue;
  }

  /** Notes that data of the rounds after `round` is not kept for it. */
  miss(round: number, offered: number): void {
    if (this.behind) return;
    this.missedSince = round;
    this.offeredAtMiss = offered;
  }

  caughtUp(): void {
    this.missedSince = CURRENT;
    this.conflatedCounted = 0;
  }

  /** Whether trades or private messages wait for the socket to drain. */
  get hasQueue(): boolean {
    return this.#queue !== undefined;
  }

  /**
   * Keeps what may not be conflated until the socket drains; over its bound it ends the connection.
   * @param asked the client asked for it, so that its size is no sign of slowness
   */
  enqueue(batch: Batch, asked = false): void {
    if (!this.open) return;
    const { maxQueuedMessages, maxQueuedBytes, counters } = this.#context;
    this.#queue ??= [];
    this.#queue.push(batch);
    this.#queuedMessages += batch.messages;
    this.#queuedBytes += batch.bytes.length;
    if (asked) this.#askedBytes += batch.bytes.length;
    count(counters, SHARD.queuedBytes, batch.bytes.length);
    const bytes = this.#queuedBytes - this.#askedBytes;
    if (this.#queuedMessages > maxQueuedMessages || bytes > maxQueuedBytes) {
      this.closeSlow(
        `slow consumer: more than ${maxQueuedMessages} messages or ${maxQueuedBytes} bytes wait`,
      );
    }
  }

  /** Takes what was queued; empty where nothing was. */
  takeQueue(): readonly Batch[] {
    const queue = this.#queue ?? [];
    count(this.#context.counters, SHARD.queuedBytes, -this.#queuedBytes);
    this.#queue = undefined;
    this.#queuedMessages = this.#queuedBytes = this.#askedBytes = 0;
    return queue;
  }

  /**
   * Writes replies at once, blocked or not. A client that asks and does not read is closed as a slow
   * consumer when the answers that its socket has not taken exceed the bound.
   */
  reply(batches: readonly Batch[]): void {
    if (!this.open) return;
    const { maxQueuedBytes } = this.#context;
    if (this.#replyBytes > maxQueuedBytes) {
      return this.closeSlow(`slow consumer: more than ${maxQueuedBytes} bytes of replies wait`);
    }
    let bytes = 0;
    for (const batch of batches) bytes += batch.bytes.length;
    this.#replyBytes += bytes;
    this.writeAll(batches, () => {
      this.#replyBytes -= bytes;
    });
  }

  /** A {@link reply} to what the client has asked, which is charged for it. */
  answer(batches: readonly Batch[]): void {
    this.chargeAnswer(batches.reduce((sum, batch) => sum + batch.bytes.length, 0));
    this.reply(batches);
  }

  /** Sends private messages: in their order, behind what waits already, and each of them. */
  deliver(batches: readonly PrivateBatch[]): void {
    if (this.blocked || this.hasQueue)
      for (const batch of batches) this.enqueue(batch, batch.asked === true);
    else this.writeAll(batches);
  }

  /** Writes whole frames. */
  write(batch: Batch): void {
    if (!this.open) return;
    this.#put(batch);
    this.#checkTaken();
  }

  /**
   * Writes several batches with one system call.
   * @param taken called when the socket has taken them all
   */
  writeAll(batches: readonly Batch[], taken?: () => void): void {
    if (batches.length === 0 || !this.open) return;
    this.socket.cork();
    for (const batch of batches) if (batch.messages > 0) this.#put(batch);
    // The callback of an empty write comes after everything before it.
    if (taken !== undefined) this.#put(NOTHING, taken);
    this.socket.uncork();
    this.#checkTaken();
  }

  /** Answers a ping; a client that pings and does not read is closed like one that asks and does not. */
  pong(payload: Buffer): void {
    if (!this.open) return;
    const { maxQueuedBytes } = this.#context;
    if (this.#replyBytes > maxQueuedBytes) {
      return this.closeSlow(`slow consumer: more than ${maxQueuedBytes} bytes of replies wait`);
    }
    const frame = Buffer.allocUnsafeSlow(2 + payload.length);
    frame[0] = FRAME.pong;
    frame[1] = payload.length;
    payload.copy(frame, 2);
    this.#replyBytes += frame.length;
    this.socket.write(frame, () => {
      this.#replyBytes -= frame.length;
    });
  }

  /** Writes a control frame: behind what the socket holds already, ahead of all that waits for it. */
  control(frame: Buffer): void {
    this.socket.write(frame);
  }

  #put({ bytes, messages }: Batch, taken?: () => void): void {
    const { counters } = this.#context;
    count(counters, SHARD.messagesSent + this.encoding, messages);
    count(counters, SHARD.bytesSent, bytes.length);
    this.socket.write(bytes, taken);
  }

  /** Blocks the connection if its socket did not take everything; what is corked waits on purpose. */
  #checkTaken(): void {
    const { socket } = this;
    if (socket.writableLength > 0 && socket.writableCorked === 0 && !this.blocked) {
      this.#setBlocked(true);
      this.#awaitDrain();
    }
  }

  /**
   * Whether the socket has taken more of what waited for it since the last call: its client reads,
   * and what it sends may be the answer to something that waits behind that.
   */
  hasTakenMore(): boolean {
    const { bytesWritten, writableLength } = this.socket;
    const handle = (this.socket as { readonly _handle?: SocketHandle | null })._handle;
    // A write that the kernel has in part is written in no part to Node.
    const taken = handle?.bytesWritten
      ? handle.bytesWritten - handle.writeQueueSize
      : bytesWritten - writableLength;
    // What a kernel takes into an empty buffer shows nothing of its peer.
    const more = this.#waitedAtLook && taken > this.#takenAtLook;
    this.#takenAtLook = taken;
    this.#waitedAtLook = writableLength > 0;
    return more;
  }

  /** Ends a connection for which something was lost that may not be. */
  closeSlow(reason: string): void {
    if (!this.open) return;
    count(this.#context.counters, SHARD.slowConsumersClosed);
    this.close(CLOSE.slowConsumer, reason);
  }

  /** Starts the closing handshake, unless one has started; nothing is written after the close frame. */
  close(code: CloseCode, reason: string): void {
    if (!this.open) return;
    this.takeQueue();
    this.closeCode = code;
    this.ws.close(code, reason);
    this.#context.closing(this);
  }

  /** Lets go of what is counted of it: its socket has closed. */
  ended(): void {
    this.takeQueue();
    this.#setBlocked(false);
  }

  #setBlocked(blocked: boolean): void {
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    count(this.#context.counters, SHARD.blockedConnections, blocked ? 1 : -1);
  }

  /**
   * Closes the connection if its token has expired by the clock on the wall, `nowMs` of Date.now();
   * returns whether it had. A timer would not hear of it when that clock is set.
   */
  closeExpired(nowMs: number): boolean {
    if (this.identity === undefined || nowMs < this.identity.expiresAt) return false;
    this.close(CLOSE.tokenExpired, "the token has expired");
    return true;
  }

  /**
   * Waits until the socket has drained. An empty write's callback comes after everything before it;
   * `drain` would only come for writes over the stream's high-water mark.
   */
  #awaitDrain(): void {
    this.socket.write(NOTHING.bytes, () => {
      if (this.socket.destroyed) return;
      if (this.socket.writableLength > 0) return this.#awaitDrain();
      this.#setBlocked(false);
      if (this.open) this.#context.drained(this);
    });
  }
}
