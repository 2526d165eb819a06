import type { ServerMessage } from "../contract/messages.js";
import type { Overflow } from "./events.js";

type Result = IteratorResult<ServerMessage, undefined>;
const DONE: Result = { done: true, value: undefined };

interface Waiter {
  resolve(result: Result): void;
  reject(error: Error): void;
}

/**
 * Messages for one reader, in a ring of bounded size: beyond it the oldest are dropped and counted.
 */
export class MessageIterator implements AsyncIterableIterator<ServerMessage> {
  readonly #ring: (ServerMessage | undefined)[] = [];
  readonly #size: number;
  readonly #onOverflow: (overflow: Overflow) => void;
  readonly #onReturn: () => void;
  #first = 0;
  #count = 0;
  #dropped = 0;
  /** Whether messages have been dropped since it was last empty. */
  #overflowing = false;
  #waiters: Waiter[] = [];
  #end: { readonly error: Error | undefined } | undefined;

  /** @param size messages that may wait */
  constructor(size: number, onOverflow: (overflow: Overflow) => void, onReturn: () => void) {
    this.#size = Math.max(1, size);
    this.#onOverflow = onOverflow;
    this.#onReturn = onReturn;
  }

  /** Messages dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  push(message: ServerMessage): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) return waiter.resolve({ done: false, value: message });
    if (this.#count === this.#size) this.#drop();
    this.#ring[(this.#first + this.#count) % this.#size] = message;
    this.#count++;
  }

  /** No more messages come; what waits is delivered before the end, or the error. */
  finish(error: Error | undefined): void {
    this.#end = { error };
    for (const waiter of this.#waiters) this.#settle(waiter, this.#end);
    this.#waiters = [];
  }

  next(): Promise<Result> {
    return new Promise((resolve, reject) => {
      const message = this.#shift();
      if (this.#count === 0) this.#overflowing = false;
      if (message !== undefined) resolve({ done: false, value: message });
      else if (this.#end !== undefined) this.#settle({ resolve, reject }, this.#end);
      else this.#waiters.push({ resolve, reject });
    });
  }

  return(): Promise<Result> {
    this.#onReturn();
    this.#ring.length = 0;
    this.#count = 0;
    this.finish(undefined);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #shift(): ServerMessage | undefined {
    if (this.#count === 0) return undefined;
    const message = this.#ring[this.#first];
    this.#ring[this.#first] = undefined;
    this.#first = (this.#first + 1) % this.#size;
    this.#count--;
    return message;
  }

  #drop(): void {
    this.#shift();
    this.#dropped++;
    if (this.#overflowing) return;
    this.#overflowing = true;
    this.#onOverflow({ dropped: this.#dropped });
  }

  #settle(waiter: Waiter, { error }: { readonly error: Error | undefined }): void {
    if (error === undefined) return waiter.resolve(DONE);
    // It is thrown once; whoever asks again is told that there is no more.
    this.#end = { error: undefined };
    waiter.reject(error);
  }
}
