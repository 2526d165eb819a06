import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type {
  ExchangeNews,
  ExchangeRequest,
  ExchangeToShard,
  ShardToExchange,
} from "../../src/workers/messages.js";

/** The exchange's end of a shard's port, in the test's hand. */
export class ExchangeEnd {
  /** The shard's end. */
  readonly port: MessagePort;
  readonly #own: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#own = port1;
    this.port = port2;
  }

  /** What the shard has sent since the last time, by message: all that it sends in a turn is one. */
  async messages(): Promise<ShardToExchange[]> {
    // The shard posts in an immediate of this turn, which runs before this one.
    await turn();
    const messages: ShardToExchange[] = [];
    for (;;) {
      const received = receiveMessageOnPort(this.#own);
      if (received === undefined) return messages;
      messages.push(received.message);
    }
  }

  async requests(): Promise<ExchangeRequest[]> {
    return (await this.messages()).flat();
  }

  /** Tells the shard, in one message, and resolves when it has heard. */
  async tell(...news: readonly ExchangeNews[]): Promise<void> {
    const heard = once(this.port, "message");
    this.#own.postMessage(news satisfies ExchangeToShard);
    await heard;
  }

  /** Tells what the shard may never hear. */
  post(...news: readonly ExchangeNews[]): void {
    this.#own.postMessage(news satisfies ExchangeToShard);
  }

  /** Goes away, as with its thread; resolves when the shard knows. */
  async close(): Promise<void> {
    const closed = once(this.port, "close");
    this.#own.close();
    await closed;
  }
}
