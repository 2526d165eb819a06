import type { FrameBatch } from "./frame-batch.js";

/** What a connection is to be sent later, in order: private messages, which nothing replaces. */
export class Backlog {
  readonly batches: FrameBatch[] = [];
  messages = 0;
  bytes = 0;
  /** Of what was asked for, among them. */
  #askedBytes = 0;

  /** @param asked the client asked for it, so that its size is no sign of slowness */
  add(batch: FrameBatch, asked: boolean): void {
    this.batches.push(batch);
    this.messages += batch.messages;
    this.bytes += batch.bytes.length;
    if (asked) this.#askedBytes += batch.bytes.length;
  }

  exceeds(messagesMax: number, bytesMax: number): boolean {
    return this.messages > messagesMax || this.bytes - this.#askedBytes > bytesMax;
  }
}
