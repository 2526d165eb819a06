import type { MessagePort } from "node:worker_threads";
import type { HubNews, HubReach, HubRequest, HubToShard, ShardToHub } from "../../hub/messages.js";

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
 * another producer takes over. Where the hub is another node's, it comes and goes behind one port. What is sent in one
 * turn goes as one message.
 *
 * Invariant: `connected` and `lost` are told by turns.
 */
export class HubLink {
  readonly #hooks: HubLinkHooks;
  #port: MessagePort | undefined;
  #there = false;
  #outgoing: HubRequest[] = [];

  constructor(hooks: HubLinkHooks) {
    this.#hooks = hooks;
  }

  get connected(): boolean {
    return this.#there;
  }

  /** Talks to the hub behind a port from now on, and to none without. */
  connect(port: MessagePort | undefined): void {
    this.close();
    if (port === undefined) return;
    this.#port = port;
    port.on("message", (news: HubToShard) => {
      if (this.#port !== port) return;
      if (isReach(news)) this.#reach(news[0]);
      else this.#hooks.news(news);
    });
    port.on("close", () => {
      if (this.#port === port) this.close();
    });
    this.#begin();
  }

  /** Sends with the end of the turn; without a hub it does nothing. */
  send(request: HubRequest): void {
    if (!this.#there) return;
    if (this.#outgoing.length === 0) setImmediate(() => this.#flush());
    this.#outgoing.push(request);
  }

  close(): void {
    const port = this.#port;
    this.#port = undefined;
    port?.close();
    this.#end();
  }

  #reach({ type }: HubReach): void {
    this.#end();
    if (type === "hub-there") this.#begin();
  }

  #begin(): void {
    this.#there = true;
    this.#hooks.connected();
  }

  #end(): void {
    if (!this.#there) return;
    this.#there = false;
    this.#outgoing = [];
    this.#hooks.lost();
  }

  #flush(): void {
    const requests: ShardToHub = this.#outgoing;
    this.#outgoing = [];
    if (requests.length > 0) this.#port?.postMessage(requests);
  }
}

function isReach(news: HubToShard): news is readonly [HubReach] {
  return news[0]?.type === "hub-away" || news[0]?.type === "hub-there";
}
