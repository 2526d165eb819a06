import type { MessagePort } from "node:worker_threads";
import type {
  ExchangeNews,
  ExchangeRequest,
  ExchangeToShard,
  SessionClaim,
  ShardToExchange,
} from "../../messages.js";

interface ExchangeLinkHooks {
  /** What the exchange has told, in its order. */
  readonly news: (news: readonly ExchangeNews[]) => void;
  /** The exchange is gone: what it has not answered it never will. */
  readonly lost: () => void;
}

/**
 * A shard's way to the exchange: a port whose other end is the producer's thread, and which is
 * replaced when another producer takes over. What is sent in one turn goes as one message.
 */
export class ExchangeLink {
  readonly #hooks: ExchangeLinkHooks;
  #port: MessagePort | undefined;
  #outgoing: ExchangeRequest[] = [];

  constructor(hooks: ExchangeLinkHooks) {
    this.#hooks = hooks;
  }

  get connected(): boolean {
    return this.#port !== undefined;
  }

  /**
   * Talks to the exchange behind `port` from now on.
   * @param sessions those of the shard's connections
   */
  connect(port: MessagePort, sessions: readonly SessionClaim[]): void {
    this.close();
    this.#port = port;
    port.on("message", (news: ExchangeToShard) => {
      if (this.#port === port) this.#hooks.news(news);
    });
    port.on("close", () => {
      if (this.#port === port) this.close();
    });
    this.send({ type: "attach", sessions });
  }

  /** Sends with the end of the turn; without an exchange it does nothing. */
  send(request: ExchangeRequest): void {
    if (this.#port === undefined) return;
    if (this.#outgoing.length === 0) setImmediate(() => this.#flush());
    this.#outgoing.push(request);
  }

  close(): void {
    const port = this.#port;
    if (port === undefined) return;
    this.#port = undefined;
    this.#outgoing = [];
    port.close();
    this.#hooks.lost();
  }

  #flush(): void {
    const requests: ShardToExchange = this.#outgoing;
    this.#outgoing = [];
    if (requests.length > 0) this.#port?.postMessage(requests);
  }
}
