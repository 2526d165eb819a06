import type { ServerResponse } from "node:http";
import type { AddressShare } from "../../connections/address-shares.js";
import type { TurnQueue, Waiting } from "../../connections/turn-queue.js";

/** An answer's body: the whole of it, or its parts one after the other. */
type Body = string | Buffer | Iterator<string, undefined>;

export interface Answer {
  readonly contentType?: string;
  /**
   * The body, when its turn has come. Throws an ApiError; a body in parts has its first one made at once.
   * @param charge charges what making it has cost beside its bytes
   */
  readonly body: (charge: (bytes: number) => void) => Body;
  /** Whether it is so large that it is charged to its address, and waits where that is in debt. */
  readonly charged: boolean;
}

interface Exchange {
  readonly response: ServerResponse;
  readonly head: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly share: AddressShare;
  /** The client has taken something: its connection is not idle. */
  readonly taken: () => void;
  /** Told when the answer has to wait for its address, once. */
  readonly delayed: () => void;
  /** Answers what the body threw, where nothing has been written. */
  readonly failed: (error: unknown) => void;
}

/**
 * Answers one request: in its turn, and with a body in parts, one in a turn, each when the socket has taken
 * the one before. What is charged is paid by the address: while that is in debt, the next part waits.
 *
 * Invariant: it waits in one place at most, the queue of turns, a timer or the socket; in none when the
 * response has ended.
 */
export class Answering implements Waiting {
  readonly #answer: Answer;
  readonly #exchange: Exchange;
  readonly #turns: TurnQueue;
  #parts: Iterator<string, undefined> | undefined;
  #delay: NodeJS.Timeout | undefined;
  #delayed = false;
  #ended = false;

  constructor(answer: Answer, exchange: Exchange, turns: TurnQueue) {
    this.#answer = answer;
    this.#exchange = exchange;
    this.#turns = turns;
    exchange.response.once("close", this.#onClose);
    this.#wait();
  }

  serve(): void {
    if (this.#ended) return;
    try {
      if (this.#parts !== undefined) return this.#part(this.#parts);
      const body = this.#answer.body((bytes) => this.#charge(bytes));
      if (typeof body === "string") this.#whole(Buffer.from(body));
      else if (Buffer.isBuffer(body)) this.#whole(body);
      else this.#begin(body);
    } catch (error) {
      this.#ended = true;
      this.#exchange.failed(error);
    }
  }

  /** Has the next turn, when the address may have it. */
  #wait(): void {
    const delayMs = this.#answer.charged ? debtMs(this.#exchange.share) : 0;
    if (delayMs === 0) return this.#turns.add(this);
    if (!this.#delayed) this.#exchange.delayed();
    this.#delayed = true;
    this.#delay = setTimeout(() => this.#wait(), delayMs);
  }

  #whole(body: Buffer): void {
    const { response, headers, head } = this.#exchange;
    this.#ended = true;
    this.#charge(body.length);
    response.writeHead(200, { ...headers, ...this.#type(), "Content-Length": body.length });
    response.end(head ? undefined : body);
  }

  #begin(parts: Iterator<string, undefined>): void {
    const { response, headers, head } = this.#exchange;
    // Of a client of HTTP/1.0 the end of the connection is that of the body.
    if (response.req.httpVersionMinor === 0) response.shouldKeepAlive = false;
    this.#parts = parts;
    response.writeHead(200, { ...headers, ...this.#type() });
    if (!head) return this.#part(parts);
    this.#ended = true;
    response.end();
  }

  #part(parts: Iterator<string, undefined>): void {
    const { response, taken } = this.#exchange;
    const { value, done } = parts.next();
    if (done === true) {
      this.#ended = true;
      response.end();
      return;
    }
    this.#charge(Buffer.byteLength(value));
    response.write(value, (error) => {
      if (error != null || this.#ended) return;
      taken();
      this.#wait();
    });
  }

  #type(): Record<string, string> {
    return { "Content-Type": this.#answer.contentType ?? "application/json" };
  }

  #charge(bytes: number): void {
    if (this.#answer.charged) this.#exchange.share.bytes.take(performance.now(), bytes);
  }

  readonly #onClose = (): void => {
    this.#ended = true;
    clearTimeout(this.#delay);
    this.#turns.remove(this);
  };
}

/** How long an address that is in debt has to wait, in ms; 0 where it is in none. */
function debtMs({ bytes }: AddressShare): number {
  const left = bytes.left(performance.now());
  return left > 0 ? 0 : bytes.waitMs(performance.now());
}
