import type { MessageFault } from "../../../codec/decode.js";
import type { ClientMessage } from "../../../contract/client-messages-schema.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { WalletQuestion } from "../../messages.js";
import type { Connection } from "../connections/connection.js";
import type { RequestHold } from "../trading/shard-sessions.js";
import type { Trading } from "../trading/trading.js";
import { numberFrom } from "../trading/wallet-pages.js";
import type { Identity } from "./authenticator.js";
import { HISTORY_LIMIT_DEFAULT } from "./history-pages.js";
import { tradingFault } from "./request-faults.js";

/** The role that sees every wallet. */
export const ADMIN = "admin";
/** What a search costs, and each record that may be read for it, in bytes as of an answer. */
const SEARCH_COST_BYTES = 2048;
const ITEM_COST_BYTES = 64;

/** What is asked of a wallet's past. */
export type WalletRequestMessage = Extract<
  ClientMessage,
  { readonly type: "OrderHistory" | "FillHistory" | "GetOrder" }
>;

type Judged<T> =
  | { readonly fault: MessageFault }
  | (T & { readonly fault?: undefined; readonly costBytes: number });

interface WalletRequestsContext {
  readonly trading: Trading;
  readonly hold: RequestHold;
  readonly isListed: (id: MarketId) => boolean;
}

/**
 * Answers that a connection may wait for; its further requests wait then. A page may be large, and counts as many:
 * so the next one is asked for when the socket has taken this one.
 */
const OUTSTANDING_MAX = 4;

/**
 * Passes on to the exchange what clients ask of the orders and fills of their wallets, and charges it.
 *
 * Invariant: a connection is held exactly while it waits for as many answers as it may, or more.
 */
export class WalletRequests {
  readonly #context: WalletRequestsContext;
  readonly #outstanding = new WeakMap<Connection, number>();

  constructor(context: WalletRequestsContext) {
    this.#context = context;
  }

  /**
   * Passes a request on; returns why it is not, where that is so.
   * @param now performance.now()
   */
  take(
    connection: Connection,
    request: WalletRequestMessage,
    now: number,
  ): MessageFault | undefined {
    const judged = this.#judge(connection.identity, request);
    if (judged.fault !== undefined) return judged.fault;
    connection.charge(judged.costBytes, now);
    const { trading } = this.#context;
    const answers = request.type === "GetOrder" ? 1 : OUTSTANDING_MAX;
    const fault = trading.query(connection, request.id, judged.question, () =>
      this.#count(connection, -answers),
    );
    if (fault === undefined) this.#count(connection, answers);
    return fault;
  }

  #count(connection: Connection, by: number): void {
    const { hold } = this.#context;
    const before = this.#outstanding.get(connection) ?? 0;
    this.#outstanding.set(connection, before + by);
    const wasHeld = before >= OUTSTANDING_MAX;
    const isHeld = before + by >= OUTSTANDING_MAX;
    if (isHeld && !wasHeld) hold.hold(connection);
    if (wasHeld && !isHeld) hold.release(connection);
  }

  #judge(
    identity: Identity | undefined,
    request: WalletRequestMessage,
  ): Judged<{ readonly question: WalletQuestion }> {
    const { type, data } = request;
    const fault = tradingFault(this.#context.trading.takesOrders, type);
    if (fault !== undefined) return { fault };
    if (identity === undefined)
      return refused("AUTH_REQUIRED", `${type}: this needs a token with a wallet`);
    if (type === "GetOrder") {
      // An operator names an order of whoever it is of.
      const wallet =
        identity.role === ADMIN && "order_id" in data ? undefined : (identity.wallet ?? null);
      if (wallet === null) return refused("FORBIDDEN", `${type}: the token has no wallet`);
      return { question: { type: "get-order", wallet, order: data }, costBytes: SEARCH_COST_BYTES };
    }
    const { market_id: marketId } = data;
    const wallet = data.wallet ?? identity.wallet;
    if (wallet === null) return refused("FORBIDDEN", `${type}: the token has no wallet`);
    if (wallet !== identity.wallet && identity.role !== ADMIN) {
      const own = identity.wallet === null ? "none" : JSON.stringify(identity.wallet);
      const message = `${type}: the token's wallet is ${own}, not ${JSON.stringify(wallet)}`;
      return refused("FORBIDDEN", message);
    }
    if (marketId !== undefined && !this.#context.isListed(marketId))
      return refused("MARKET_NOT_FOUND", `no market has the id ${marketId}`, "market_id");
    const page = this.#page(wallet, marketId, request);
    if (page === undefined) {
      const message = `before is ${JSON.stringify(data.before)}: it takes the next of the page before`;
      return refused("INVALID_MESSAGE", message, "before");
    }
    return { question: page, costBytes: SEARCH_COST_BYTES + ITEM_COST_BYTES * page.limit };
  }

  /** Undefined where `before` is of no page. */
  #page(
    wallet: string,
    marketId: MarketId | undefined,
    { type, data }: Exclude<WalletRequestMessage, { readonly type: "GetOrder" }>,
  ): Exclude<WalletQuestion, { readonly type: "get-order" }> | undefined {
    const kind = type === "OrderHistory" ? "orders" : "fills";
    const before = data.before === undefined ? undefined : numberFrom(kind, data.before);
    if (data.before !== undefined && before === undefined) return undefined;
    const { limit = HISTORY_LIMIT_DEFAULT } = data;
    const asked = { wallet, marketId, before, limit };
    return type === "OrderHistory"
      ? { type: "orders", ...asked, statuses: data.status ?? [] }
      : { type: "fills", ...asked, orderId: data.order_id };
  }
}

function refused(
  code: MessageFault["code"],
  message: string,
  field?: string,
): { readonly fault: MessageFault } {
  return { fault: { code, message, ...(field !== undefined && { details: { field } }) } };
}
