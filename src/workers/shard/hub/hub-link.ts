import type { MessagePort } from "node:worker_threads";
import type { HubNews, HubRequest, HubToShard, ShardToHub } from "../../hub/messages.js";

interface HubLinkHooks {
  /** There is a hub, which knows nothing of this shard. */
  readonly connected: () => void;
  /** What the hub has told, in its order. */
  readonly news: (news: readonly HubNews[]) => void;
  /** The hub is gone: what it has not answered it never will. */
  readonly lost: () => void;
}

/**
 * A shard's way to the hub: a port whose other end is the producer's thread, and which is replaced when
 * another producer takes over. What is sent in one turn goes as one message.
 */
export class HubLink {
  readonly #hooks: HubLinkHooks;
  #port: MessagePort | undefined;
  #outgoing: HubRequest[] = [];

  constructor(hooks: HubLinkHooks) {
    this.#hooks = hooks;
  }

  get connected(): boolean {
    return this.#port !== undefined;
  }

  /** Talks to the hub behind a port from now on, and to none without. */
  connect(port: MessagePort | undefined): void {
    this.close();
    if (port === undefined) return;
    this.#port = port;
    port.on("message", (news: HubToShard) => {
      if (this.#port === port) this.#hooks.news(news);
    });
    port.on("close", () => {
      if (this.#port === port) this.close();
    });
    this.#hooks.connected();
  }

  /** Sends with the end of the turn; without a hub it does nothing. */
  send(request: HubRequest): void {
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
    const requests: ShardToHub = this.#outgoing;
    this.#outgoing = [];
    if (requests.length > 0) this.#port?.postMessage(requests);
  }
}
