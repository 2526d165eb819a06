import type { ServerMessage } from "../contract/messages.js";
import type { Overflow } from "./events.js";
import { MessageIterator } from "./message-iterator.js";

/** The iterators that a client's messages go to. */
export class MessageIterators {
  readonly #iterators = new Set<MessageIterator>();
  readonly #size: number;
  readonly #onOverflow: (overflow: Overflow) => void;
  #droppedByEnded = 0;

  /** @param size messages that may wait in each */
  constructor(size: number, onOverflow: (overflow: Overflow) => void) {
    this.#size = size;
    this.#onOverflow = onOverflow;
  }

  /** Messages that all of them dropped so far. */
  get dropped(): number {
    let dropped = this.#droppedByEnded;
    for (const iterator of this.#iterators) dropped += iterator.dropped;
    return dropped;
  }

  /** One for the messages to come; for none where the client is `closed`. */
  begin(closed: { readonly cause: Error | undefined } | undefined): MessageIterator {
    const iterator: MessageIterator = new MessageIterator(this.#size, this.#onOverflow, () =>
      this.#release(iterator),
    );
    if (closed !== undefined) iterator.finish(closed.cause);
    else this.#iterators.add(iterator);
    return iterator;
  }

  push(message: ServerMessage): void {
    for (const iterator of this.#iterators) iterator.push(message);
  }

  /** No more messages come. */
  finish(error: Error | undefined): void {
    for (const iterator of this.#iterators) {
      iterator.finish(error);
      this.#release(iterator);
    }
  }

  #release(iterator: MessageIterator): void {
    if (this.#iterators.delete(iterator)) this.#droppedByEnded += iterator.dropped;
  }
}
