import {
  type Channel,
  type ClosedState,
  type ConnectionState,
  type Encoding,
  MarketcastClient,
  type MarketId,
  type ServerData,
  ServerError,
} from "marketcast/client";
import { CLOSE_CODES } from "../../src/contract/close-codes.js";
import type { Timeframe } from "./model/candle-series.js";
import { Subscriptions } from "./subscriptions.js";

const STORED_ENCODING = "marketcast.encoding";
const ENCODINGS: readonly Encoding[] = ["json", "msgpack", "protobuf"];
/** Candles that a subscription begins with: where there is no history, those are all there are. */
const CANDLES_FIRST = 300;
/** Somebody is looking: a dead connection and a slow one show soon, and a server that is back too. */
const PING_INTERVAL_MS = 3000;

/** Answers to the token of a new connection. */
const TOKEN_REFUSALS: readonly string[] = ["AUTH_FAILED", "FORBIDDEN"];

/** What is wrong with the token, if a connection ended, or could not be made, for that. */
function tokenProblem({ code, cause }: ClosedState): string | undefined {
  if (code === CLOSE_CODES.tokenExpired) return "Your token has expired";
  const refused = cause instanceof ServerError && TOKEN_REFUSALS.includes(cause.code);
  return refused ? "Your token is not taken any more" : undefined;
}

/** The encoding of a name; JSON where it is none. */
export function encodingOf(name: string | null): Encoding {
  return ENCODINGS.find((encoding) => encoding === name) ?? "json";
}

export interface PageConnectionEvents {
  state(state: ConnectionState): void;
  /** Somebody else is signed in, or nobody is. */
  identity(identity: ServerData["Authenticated"] | undefined): void;
  /** The token that was signed in with is worth nothing any more. */
  tokenLost(why: string): void;
  /** The server does not take a subscription, or ended it. */
  refused(channel: Channel, error: Error): void;
  /** A new client is there; its messages can be listened to. */
  client(client: MarketcastClient): void;
}

/**
 * The page's connection. It lives longer than a client: another encoding, and signing out, take a new
 * one, and what is subscribed moves over.
 */
export class PageConnection {
  readonly #events: PageConnectionEvents;
  readonly #subscriptions: Subscriptions;
  #client: MarketcastClient;
  #encoding: Encoding;
  /** In memory only: a page that is left open on a shared machine should not keep it beyond a reload. */
  #token: string | undefined;
  /** Called, once, when there is an open connection. */
  #waiting: (() => void)[] = [];

  constructor(events: PageConnectionEvents) {
    this.#events = events;
    this.#encoding = encodingOf(localStorage.getItem(STORED_ENCODING));
    this.#subscriptions = new Subscriptions(events.refused);
    this.#subscriptions.want("page", [{ type: "Markets" }, { type: "SystemStatus" }]);
    this.#client = this.#connect();
  }

  get client(): MarketcastClient {
    return this.#client;
  }

  get encoding(): Encoding {
    return this.#encoding;
  }

  /** Speaks another encoding, now and when the page is loaded again. */
  setEncoding(encoding: Encoding): void {
    if (encoding === this.#encoding) return;
    this.#encoding = encoding;
    localStorage.setItem(STORED_ENCODING, encoding);
    this.restart();
  }

  /** Rejects with the server's error where it does not take the token. */
  async signIn(token: string): Promise<void> {
    await this.#client.authenticate(token);
    this.#token = token;
  }

  signOut(): void {
    this.#token = undefined;
    this.#identify(undefined);
    this.restart();
  }

  /** Connects anew. */
  restart(): void {
    void this.#client.close();
    this.#client = this.#connect();
  }

  /** Resolves when there is an open connection. */
  opened(): Promise<void> {
    if (this.#client.state.status === "open") return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Follows book, state and trades of one market, and who else does. */
  follow(marketId: MarketId): void {
    const params = { market_id: marketId };
    this.#subscriptions.want("market", [
      { type: "Market", params },
      { type: "Trades", params },
      { type: "Presence", params },
    ]);
  }

  /** Follows candles of one market. */
  followCandles(marketId: MarketId, timeframes: readonly Timeframe[]): void {
    this.#subscriptions.want(
      "candles",
      timeframes.map((interval) => ({
        type: "Candles",
        params: { market_id: marketId, interval, limit: CANDLES_FIRST },
      })),
    );
  }

  /** Follows the prices of these markets only. */
  followPrices(marketIds: readonly MarketId[]): void {
    this.#subscriptions.want(
      "prices",
      marketIds.map((id) => ({ type: "PriceFeed", params: { market_ids: [id] } })),
    );
  }

  #connect(): MarketcastClient {
    const client = new MarketcastClient({
      url: new URL("/ws/v3", location.href),
      encoding: this.#encoding,
      pingIntervalMs: PING_INTERVAL_MS,
      ...(this.#token !== undefined && { token: this.#token }),
    });
    client.on("state", (state) => {
      if (client === this.#client) this.#onState(state);
    });
    client.on("Authenticated", (identity) => this.#identify(identity));
    this.#events.client(client);
    this.#events.state(client.state);
    this.#subscriptions.attach(client);
    return client;
  }

  #onState(state: ConnectionState): void {
    const problem = state.status === "closed" ? tokenProblem(state) : undefined;
    if (problem !== undefined) {
      this.signOut();
      this.#events.tokenLost(problem);
    } else {
      this.#events.state(state);
      if (state.status !== "open") return;
      // So that the round trip shows at once; the client finds out by itself if there is no answer.
      this.#client.ping().catch(() => {});
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  #identify(identity: ServerData["Authenticated"] | undefined): void {
    const wallet = identity?.wallet ?? undefined;
    const params = wallet === undefined ? undefined : { wallet };
    this.#subscriptions.want(
      "wallet",
      params === undefined
        ? []
        : [
            { type: "Orders", params },
            { type: "Positions", params },
          ],
    );
    this.#events.identity(identity);
  }
}
