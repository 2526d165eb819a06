import type { FrameBatch } from "./frame-batch.js";

interface Kept {
  readonly batch: FrameBatch;
  readonly asked: boolean;
  readonly behind: object | undefined;
}

/** What a connection is to be sent later, in order: private messages, which nothing replaces. */
export class Backlog {
  #kept: Kept[] = [];
  messages = 0;
  bytes = 0;
  /** Of what was asked for, among them. */
  #askedMessages = 0;
  #askedBytes = 0;

  get empty(): boolean {
    return this.#kept.length === 0;
  }

  /**
   * @param asked the client asked for it, so that neither its size nor its messages are a sign of slowness
   * @param behind what has to be sent before it and has not been yet, if there is such a thing
   */
  add(batch: FrameBatch, asked: boolean, behind?: object): void {
    this.#kept.push({ batch, asked, behind });
    this.#count(batch, asked, 1);
  }

  /** Takes all, or what comes before the first that is behind something. */
  take(behind?: object): readonly FrameBatch[] {
    const first = this.#kept.findIndex((kept) => kept.behind === behind);
    const end = behind === undefined || first < 0 ? this.#kept.length : first;
    return this.#kept.splice(0, end).map(({ batch, asked }) => {
      this.#count(batch, asked, -1);
      return batch;
    });
  }

  /** Whether what nobody asked for is more than that. */
  exceeds(messagesMax: number, bytesMax: number): boolean {
    return (
      this.messages - this.#askedMessages > messagesMax || this.bytes - this.#askedBytes > bytesMax
    );
  }

  #count({ messages, bytes }: FrameBatch, asked: boolean, sign: number): void {
    this.messages += sign * messages;
    this.bytes += sign * bytes.length;
    if (!asked) return;
    this.#askedMessages += sign * messages;
    this.#askedBytes += sign * bytes.length;
  }
}
