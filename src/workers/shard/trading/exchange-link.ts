import type { MessagePort } from "node:worker_threads";
import type {
  ExchangeNews,
  ExchangeRequest,
  ExchangeToShard,
  SessionClaim,
  ShardToExchange,
} from "../../messages.js";

/** News that are heard in one piece: as many as are encoded and written in a few milliseconds. */
const NEWS_PER_PIECE = 256;
/** How long news that have waited may keep a turn of the event loop, in ms; a piece more is begun within it. */
const TURN_MS_MAX = 4;

interface ExchangeLinkHooks {
  /**
   * What the exchange has told, in its order.
   * @param message the news of one message, of which they are all or a piece
   */
  readonly news: (news: readonly ExchangeNews[], message: ExchangeToShard) => void;
  /** The exchange is gone: what it has not answered it never will. */
  readonly lost: () => void;
}

/**
 * A shard's way to the exchange: a port whose other end is the producer's thread, and which is
 * replaced when another producer takes over. What is sent in one turn goes as one message. What is told, of which a
 * single command may bring about thousands, is heard in pieces, for a few milliseconds a turn.
 *
 * Where the exchange is on another node, the port may lead nowhere for a time: it is then as if there were none.
 *
 * Invariant: while news wait to be heard, a turn is scheduled that hears more of them.
 */
export class ExchangeLink {
  readonly #hooks: ExchangeLinkHooks;
  #port: MessagePort | undefined;
  /** Why the port leads nowhere at the moment; undefined while it does. */
  #unreachable: string | undefined;
  #outgoing: ExchangeRequest[] = [];
  /** Messages that have not been heard to their ends, and how much has been of the first. */
  #incoming: ExchangeToShard[] = [];
  #heard = 0;

  constructor(hooks: ExchangeLinkHooks) {
    this.#hooks = hooks;
  }

  get connected(): boolean {
    return this.#port !== undefined && this.#unreachable === undefined;
  }

  /** Why there is nobody to ask, where that is so. */
  get reason(): string {
    return this.#unreachable ?? "the exchange is starting again";
  }

  /**
   * Talks to the exchange behind `port` from now on.
   * @param sessions those of the shard's connections
   */
  connect(port: MessagePort, sessions: readonly SessionClaim[]): void {
    this.close();
    this.#port = port;
    port.on("message", (news: ExchangeToShard) => {
      if (this.#port !== port) return;
      // A later turn hears it behind those that wait.
      if (this.#incoming.push(news) > 1) return;
      this.#hearPiece();
      this.#hearLater();
    });
    port.on("close", () => {
      if (this.#port === port) this.close();
    });
    this.send({ type: "attach", sessions });
  }

  /**
   * The exchange can be reached by the port that is there. Returns whether it could not be before.
   * @param sessions those of the shard's connections
   */
  attach(sessions: readonly SessionClaim[]): boolean {
    if (this.#port === undefined || this.#unreachable === undefined) return false;
    this.#unreachable = undefined;
    this.send({ type: "attach", sessions });
    return true;
  }

  /** The exchange cannot be reached until it says otherwise by the same port. */
  detach(reason: string): void {
    const wasConnected = this.connected;
    this.#unreachable = reason;
    this.#outgoing = [];
    if (wasConnected) this.#hooks.lost();
  }

  /** Sends with the end of the turn; without an exchange it does nothing. */
  send(request: ExchangeRequest): void {
    if (!this.connected) return;
    if (this.#outgoing.length === 0) setImmediate(() => this.#flush());
    this.#outgoing.push(request);
  }

  close(): void {
    const port = this.#port;
    if (port === undefined) return;
    const wasConnected = this.connected;
    this.#port = undefined;
    this.#outgoing = [];
    port.close();
    // It has been told, before the exchange went away.
    while (this.#incoming.length > 0) this.#hearPiece();
    this.#unreachable = undefined;
    if (wasConnected) this.#hooks.lost();
  }

  /** Has a turn of the event loop hear what waits, as much as it has time for. */
  #hearLater(): void {
    if (this.#incoming.length === 0) return;
    setImmediate(() => {
      const endsAt = performance.now() + TURN_MS_MAX;
      while (this.#incoming.length > 0 && performance.now() < endsAt) this.#hearPiece();
      this.#hearLater();
    });
  }

  #hearPiece(): void {
    const [message] = this.#incoming;
    if (message === undefined) return;
    const begin = this.#heard;
    this.#heard += NEWS_PER_PIECE;
    const isAll = this.#heard >= message.length;
    if (isAll) {
      this.#incoming.shift();
      this.#heard = 0;
    }
    const isWhole = begin === 0 && isAll;
    this.#hooks.news(isWhole ? message : message.slice(begin, begin + NEWS_PER_PIECE), message);
  }

  #flush(): void {
    const requests: ShardToExchange = this.#outgoing;
    this.#outgoing = [];
    if (requests.length > 0) this.#port?.postMessage(requests);
  }
}
