import type { Socket } from "node:net";
import { startReading, stopReading } from "../../../transport/read-control.js";
import type { TurnQueue, Waiting } from "../connections/turn-queue.js";
import { RequestStream } from "./request-stream.js";

/** A request's head, its request line included. */
export const HEAD_BYTES_MAX = 16 * 1024;
/** What is still read of a client whose connection is being closed. */
const DISCARDED_BYTES_MAX = 64 * 1024;
/** Parts of a head that are read as they come. */
const PROMPT_PARTS = 4;
const PART_PAUSE_MS_MAX = 64;
const NOTHING = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;

/** What is wrong with bytes in which the HTTP server finds no request. */
export type HeadFault = "line-too-long" | "head-too-long" | "no-request";

/** What a gate asks and tells. */
interface GateKeeper {
  /** Reserves a request; returns how long it has to wait, in ms. */
  delayMs(): number;
  /** A request begins: its stream is for the HTTP server. */
  begin(stream: RequestStream): void;
  /** The connection has to be refused. */
  faulty(fault: HeadFault): void;
}

/**
 * - `reading`: takes the next head, a part in a turn
 * - `delayed`: the next request, or part of a head, has to wait for its time
 * - `answering`: the HTTP server has a whole head, and the socket not yet all of the answer
 * - `closing`: the last answer is written, what comes in is dropped
 * - `gone`: the socket has ended, or is a WebSocket
 */
type GateState = "reading" | "delayed" | "answering" | "closing" | "gone";

/**
 * Stands between a client's socket and the HTTP server until the upgrade. Left to itself, Node parses
 * all that a socket gives it at once, thousands of requests of which nobody reads the answers.
 *
 * The gate cuts the bytes behind each empty line and passes on one head at a time, in at most one
 * part per turn. The next one's bytes wait until the client's socket has taken the answer: who does
 * not read gets no more of them. They wait in the kernel, but for one read: after each, the socket
 * reads nothing until its turn has come again. A body is never passed on: a request with one is the
 * connection's last.
 */
export class HttpGate implements Waiting {
  readonly socket: Socket;
  readonly #turns: TurnQueue;
  readonly #keeper: GateKeeper;
  #state: GateState = "reading";
  /** Taken from the socket, and not yet passed on. */
  #held: Buffer = NOTHING;
  /** The request whose head is passed on, or which is being answered. */
  #stream: RequestStream | undefined;
  readonly #head = new HeadScanner();
  /** Parts in which the head has come so far. */
  #parts = 0;
  /** The next request has its time, and has waited for it. */
  #reserved = false;
  #delay: NodeJS.Timeout | undefined;
  #discardedBytes = 0;

  constructor(socket: Socket, turns: TurnQueue, keeper: GateKeeper) {
    this.socket = socket;
    this.#turns = turns;
    this.#keeper = keeper;
    socket.on("readable", this.#onReadable);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  /** What came behind the head that is being answered. */
  get rest(): Buffer {
    return this.#held;
  }

  /** Passes on the next part of a head. */
  serve(): void {
    if (this.#state !== "reading") return;
    if (this.#held.length === 0) this.#held = this.#take();
    // Where there is nothing, the socket tells when there is.
    if (this.#held.length === 0) return;
    if (this.#stream === undefined && !this.#begin()) return;
    this.#passOn();
    if (this.#state !== "reading") return;
    const pauseMs = pauseBehindPart(++this.#parts);
    if (pauseMs > 0) this.#resumeIn(pauseMs);
    else this.#turns.add(this);
  }

  /** The socket has taken the whole answer. */
  answered(keepAlive: boolean): void {
    if (this.#state !== "answering") return;
    if (!keepAlive) return this.close();
    this.#endStream();
    this.#state = "reading";
    this.#turns.add(this);
  }

  /** Writes a last answer, if one is given, and ends the connection. */
  close(answer = ""): void {
    if (this.#state === "closing" || this.#state === "gone") return;
    this.#leave("closing");
    this.socket.end(answer);
    this.#discard();
  }

  /** Leaves the socket to others. */
  release(): void {
    this.#leave("gone");
    this.socket.off("readable", this.#onReadable);
    this.socket.off("error", this.#onError);
    this.socket.off("close", this.#onClose);
    // No resume(): it would let the bytes flow past whoever reads from now on.
    startReading(this.socket);
  }

  /** Begins a request, unless there is none yet or it has to wait. */
  #begin(): boolean {
    this.#held = withoutEmptyLines(this.#held);
    if (this.#held.length === 0) {
      this.#turns.add(this);
      return false;
    }
    const delayMs = this.#reserved ? 0 : this.#keeper.delayMs();
    this.#reserved = delayMs > 0;
    if (this.#reserved) {
      this.#resumeIn(delayMs);
      return false;
    }
    this.#head.reset();
    this.#parts = 0;
    this.#stream = new RequestStream(this.socket);
    this.#keeper.begin(this.#stream);
    // From now on what is given to it is parsed at once.
    this.#stream.read(0);
    return true;
  }

  #resumeIn(delayMs: number): void {
    this.#state = "delayed";
    this.#delay = setTimeout(() => {
      this.#state = "reading";
      this.#turns.add(this);
    }, delayMs);
  }

  #passOn(): void {
    const stream = this.#stream as RequestStream;
    const length = this.#head.scan(this.#held);
    const part = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    if (this.#head.bytes > HEAD_BYTES_MAX)
      return this.#keeper.faulty(
        this.#head.lineBytes > HEAD_BYTES_MAX ? "line-too-long" : "head-too-long",
      );
    if (this.#head.complete) this.#state = "answering";
    stream.give(part);
    if (this.#head.complete && !stream.understood) this.#keeper.faulty("no-request");
  }

  /** Takes what the socket has, so much at most as a head may have; where that is nothing, it reads. */
  #take(): Buffer {
    const { readableLength } = this.socket;
    // A read that finds nothing is what arms the next `readable`, and what finds the end.
    const size = readableLength > 0 ? Math.min(readableLength, HEAD_BYTES_MAX) : undefined;
    const taken: Buffer = this.socket.read(size) ?? NOTHING;
    if (taken.length === 0) startReading(this.socket);
    else stopReading(this.socket);
    return taken;
  }

  #discard(): void {
    startReading(this.socket);
    while (this.#discardedBytes < DISCARDED_BYTES_MAX) {
      const chunk: Buffer | null = this.socket.read();
      if (chunk === null) return;
      this.#discardedBytes += chunk.length;
    }
    stopReading(this.socket);
  }

  #leave(state: "closing" | "gone"): void {
    this.#state = state;
    this.#held = NOTHING;
    clearTimeout(this.#delay);
    this.#turns.remove(this);
    this.#endStream();
  }

  #endStream(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
  }

  readonly #onReadable = (): void => {
    if (this.#state === "closing") return this.#discard();
    stopReading(this.socket);
    if (this.#state === "reading") this.#turns.add(this);
  };

  readonly #onError = (): void => {
    this.socket.destroy();
  };

  readonly #onClose = (): void => this.#leave("gone");
}

/**
 * How long the next part of a head waits, in ms. Heads come in one part as a rule, or in a few; of one
 * that drips more comes together meanwhile, so that many such clients cost few reads.
 */
function pauseBehindPart(parts: number): number {
  return parts <= PROMPT_PARTS ? 0 : Math.min(PART_PAUSE_MS_MAX, 2 ** (parts - PROMPT_PARTS));
}

/** Empty lines before a request line are ignored (RFC 9112, section 2.2). */
function withoutEmptyLines(bytes: Buffer): Buffer {
  let start = 0;
  while (bytes[start] === LF || bytes[start] === CR) start++;
  return bytes.subarray(start);
}

/**
 * Finds the end of a head: the first empty line. It takes a bare LF for a line's end too, as a parser
 * might: what is cut too often is put together again by the parser, what is not cut is not bounded.
 */
class HeadScanner {
  /** Of the head so far. */
  bytes = 0;
  /** Of its first line so far. */
  lineBytes = 0;
  complete = false;
  /** Since the last LF there was nothing, or a CR alone. */
  #lineEmpty = false;
  #firstLine = true;

  reset(): void {
    this.bytes = this.lineBytes = 0;
    this.complete = this.#lineEmpty = false;
    this.#firstLine = true;
  }

  /** How many of the next bytes belong to the head. */
  scan(next: Buffer): number {
    let length = 0;
    while (length < next.length && !this.complete) {
      const byte = next[length++];
      if (this.#firstLine) this.lineBytes++;
      if (byte === LF) {
        this.complete = this.#lineEmpty;
        this.#lineEmpty = true;
        this.#firstLine = false;
      } else if (byte !== CR) {
        this.#lineEmpty = false;
      }
    }
    this.bytes += length;
    return length;
  }
}
