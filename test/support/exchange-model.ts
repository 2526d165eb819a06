import { orderRejected } from "../../src/engine/rejection.js";
import type { ContractOrder, ContractPosition } from "../../src/store/contract-form.js";
import type { ExchangeNews, ExchangeRequest } from "../../src/workers/messages.js";

/** The largest position of a wallet: few enough that some are refused. */
const MAX_POSITION = 10;
/** What every order asks for. */
const QUANTITY = 2;

/** What of an order or position can change, as a text. */
function gist(one: ContractOrder | ContractPosition): string {
  return "order_id" in one
    ? `${one.order_id}: ${one.status} ${one.filled_quantity} at ${one.updated_ts}`
    : `${one.market_id}: ${one.quantity} at ${one.updated_ts}`;
}

/** Open orders, or positions, as a text that tells two states apart. */
export function stateText(state: Iterable<ContractOrder | ContractPosition>): string {
  return [...state].map(gist).sort().join("\n");
}

export function isOpen({ status }: ContractOrder): boolean {
  return status === "Open" || status === "PartiallyFilled";
}

const TOO_MUCH = orderRejected(
  "max_position",
  `quantity ${QUANTITY} could take the position in market 1 past ${MAX_POSITION}`,
  { field: "quantity", value: QUANTITY, limit: MAX_POSITION },
);

/** A wallet, and how its open orders and its positions stood after each change. */
class WalletModel {
  readonly orders = new Map<string, ContractOrder>();
  readonly byClientOrderId = new Map<string, string>();
  position: ContractPosition | undefined;
  /** The n-th is of after the n-th change, which is the order's or position's `updated_ts`. */
  readonly history: Record<"Orders" | "Positions", string[]> = { Orders: [""], Positions: [""] };

  get open(): ContractOrder[] {
    return [...this.orders.values()].filter(isOpen);
  }

  /** Its position if all that is open were filled. */
  get reach(): number {
    const left = this.open.map(({ quantity, filled_quantity }) => quantity - filled_quantity);
    return left.reduce((sum, one) => sum + one, this.position?.quantity ?? 0);
  }
}

/**
 * An exchange with one shard and nothing to match: answers what the shard asks, and collects what
 * there is to tell it. What other shards bring about, a test says.
 */
export class ExchangeModel {
  /** What the shard has not been told yet. */
  news: ExchangeNews[] = [];
  readonly watched = new Set<string>();
  readonly #wallets = new Map<string, WalletModel>();
  #lastOrder = 0;

  wallet(name: string): WalletModel {
    const wallet = this.#wallets.get(name) ?? new WalletModel();
    this.#wallets.set(name, wallet);
    return wallet;
  }

  /** The same exchange in another thread, which nobody has asked anything yet. */
  restart(): void {
    this.news = [];
    this.watched.clear();
  }

  answer(request: ExchangeRequest): void {
    switch (request.type) {
      case "watch": {
        this.watched.add(request.wallet);
        const { open, position } = this.wallet(request.wallet);
        const positions = position === undefined ? [] : [position];
        this.news.push({ type: "snapshot", request: request.request, orders: open, positions });
        return;
      }
      case "unwatch":
        this.watched.delete(request.wallet);
        return;
      case "place":
        return this.place(request.wallet, request.order.client_order_id, request.request);
      case "cancel":
        return this.#cancel(request);
    }
  }

  /** Places an order, for the shard if it has a number. */
  place(name: string, client_order_id?: string, request?: number): void {
    const wallet = this.wallet(name);
    const known = wallet.orders.get(wallet.byClientOrderId.get(client_order_id ?? "") ?? "");
    if (known !== undefined && request !== undefined) {
      this.news.push({ type: "reply", request, order: known, changed: false });
      return;
    }
    if (wallet.reach + QUANTITY > MAX_POSITION) {
      if (request !== undefined) this.news.push({ type: "refusal", request, refusal: TOO_MUCH });
      return;
    }
    const order_id = `${++this.#lastOrder}`;
    if (client_order_id !== undefined) wallet.byClientOrderId.set(client_order_id, order_id);
    const order: ContractOrder = {
      order_id,
      ...(client_order_id !== undefined && { client_order_id }),
      market_id: 1,
      wallet: name,
      side: "Buy",
      order_type: "Limit",
      time_in_force: "GTC",
      post_only: false,
      price: 0.5,
      quantity: QUANTITY,
      filled_quantity: 0,
      status: "Open",
      created_ts: 1,
      updated_ts: 1,
    };
    this.#change(name, order, request);
  }

  /** Another wallet takes one of the oldest open order. */
  fill(name: string): void {
    const wallet = this.wallet(name);
    const [order] = wallet.open;
    if (order === undefined) return;
    const filled_quantity = order.filled_quantity + 1;
    const status = filled_quantity < order.quantity ? "PartiallyFilled" : "Filled";
    this.#change(name, { ...order, filled_quantity, status });
    const history = wallet.history.Positions;
    const position: ContractPosition = {
      wallet: name,
      market_id: 1,
      quantity: (wallet.position?.quantity ?? 0) + 1,
      average_price: 0.5,
      realized_pnl: 0,
      updated_ts: history.length,
    };
    wallet.position = position;
    history.push(stateText([position]));
    if (this.watched.has(name)) this.news.push({ type: "position", position });
  }

  #cancel({ wallet, request, order }: Extract<ExchangeRequest, { type: "cancel" }>): void {
    const { orders } = this.wallet(wallet);
    const known = orders.get("order_id" in order ? order.order_id : "");
    if (known !== undefined && isOpen(known)) {
      return this.#change(wallet, { ...known, status: "Cancelled" }, request);
    }
    const refusal = { code: "ORDER_NOT_FOUND", message: "no open order has the id" } as const;
    this.news.push({ type: "refusal", request, refusal });
  }

  #change(name: string, changed: ContractOrder, request?: number): void {
    const wallet = this.wallet(name);
    const history = wallet.history.Orders;
    const order = { ...changed, updated_ts: history.length };
    wallet.orders.set(order.order_id, order);
    history.push(stateText(wallet.open));
    if (request !== undefined) this.news.push({ type: "reply", request, order, changed: true });
    else if (this.watched.has(name)) this.news.push({ type: "order", order });
  }
}
