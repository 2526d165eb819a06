import type { Order, Trade } from "../engine/order.js";
import type { MarketId } from "../shared/market-id.js";
import {
  type ContractFill,
  type ContractOrder,
  type MarketScales,
  toContractFills,
  toContractOrder,
} from "../store/contract-form.js";
import type { WalletRecords } from "../store/wallet-records.js";
import type {
  ExchangeNews,
  ExchangeRequest,
  OrderName,
  ReplayFrom,
  ReplayPosition,
} from "../workers/messages.js";
import type { ExchangeCore } from "./exchange-core.js";
import { toOrderId, toOrderReference } from "./order-reference.js";

/*
 * What is asked of a wallet's past, each as a generator that yields after a bounded piece of work and returns the
 * answer. Between two pieces the exchange may have gone on; nothing of the store is kept from one to the other.
 */

/** Records of a piece. */
const RECORDS_PER_PIECE = 256;
/** Records that are looked at for a page, after which it is told with what it has. */
const RECORDS_PER_PAGE = 4096;
/** Keys of an index that are counted in a piece. */
const KEYS_PER_PIECE = 2000;

/** What a wallet's past is made of, as it is when a piece begins. */
export interface WalletSources {
  readonly records: WalletRecords;
  readonly core: Pick<ExchangeCore, "listed" | "openOrders" | "knownOrder">;
  /** The latest `ts` there can be. */
  readonly now: number;
}

export type WalletRequest = Extract<
  ExchangeRequest,
  { type: "get-order" | "orders" | "fills" | "recover" | "replay" }
>;

/** Work on an answer; what `next` is given is what there is at that moment. */
export type WalletTask = Generator<void, ExchangeNews, WalletSources>;

/** The work that a request asks for. It does none before the second call of `next`. */
export function walletTask(request: WalletRequest): WalletTask {
  switch (request.type) {
    case "get-order":
      return getOrder(request);
    case "orders":
      return ordersPage(request);
    case "fills":
      return fillsPage(request);
    case "recover":
      return recoverable(request);
    case "replay":
      return replay(request);
    default:
      return request satisfies never;
  }
}

type RequestOf<T extends WalletRequest["type"]> = Extract<WalletRequest, { readonly type: T }>;

function* getOrder({ request, wallet, order: name }: RequestOf<"get-order">): WalletTask {
  const sources = yield;
  const order = orderOf(sources, wallet, name);
  if (order !== undefined)
    return { type: "reply", request, order: contractOrder(sources, order), changed: false };
  // Another wallet's order is answered as one that is not there, so that nobody learns of it.
  const named =
    "order_id" in name ? `the id ${name.order_id}` : `client order id ${name.client_order_id}`;
  const refusal = { code: "ORDER_NOT_FOUND", message: `no order has ${named}` } as const;
  return { type: "refusal", request, refusal };
}

function orderOf(
  { records, core }: WalletSources,
  wallet: string | undefined,
  name: OrderName,
): Order | undefined {
  const reference = toOrderReference(name);
  if (reference === undefined) return undefined;
  if ("orderId" in reference) {
    const order = records.order(reference.orderId);
    return wallet === undefined || order?.wallet === wallet ? order : undefined;
  }
  if (wallet === undefined) return undefined;
  const known = core.knownOrder(wallet, reference.clientOrderId);
  return known?.order ?? (known && records.order(known.orderId));
}

function* ordersPage({ request, wallet, before, ...asked }: RequestOf<"orders">): WalletTask {
  const { marketId, statuses, limit } = asked;
  const orders: ContractOrder[] = [];
  let next = before;
  let read = 0;
  do {
    const sources = yield;
    const piece = sources.records.ordersBefore(wallet, next, RECORDS_PER_PIECE);
    for (const order of piece.records) {
      // Another one follows: it is the next page's.
      if (orders.length === limit)
        return { type: "page", request, wallet, items: { orders }, next, read };
      read++;
      next = order.orderId;
      if (!isOf(order, marketId) || (statuses.length > 0 && !statuses.includes(order.status)))
        continue;
      orders.push(contractOrder(sources, order));
    }
    next = piece.last?.[0];
    if (piece.read < RECORDS_PER_PIECE) next = undefined;
  } while (next !== undefined && read < RECORDS_PER_PAGE);
  return { type: "page", request, wallet, items: { orders }, next, read };
}

function* fillsPage({ request, wallet, before, ...asked }: RequestOf<"fills">): WalletTask {
  const { marketId, orderId: name, limit } = asked;
  const fills: ContractFill[] = [];
  let next = before;
  let from = 1;
  let read = 0;
  const page = (end?: number): ExchangeNews => {
    return { type: "page", request, wallet, items: { fills }, next: end, read };
  };
  const orderId = name === undefined ? undefined : toOrderId(name);
  if (name !== undefined) {
    const { records } = yield;
    if (orderId === undefined) return page();
    const order = records.order(orderId);
    if (order !== undefined && order.wallet !== wallet) return page();
    if (order !== undefined) {
      // Its trades are between its beginning and its last change.
      from = records.firstTradeSince(order.createdTs);
      const end = records.firstTradeSince(order.updatedTs + 1);
      next = next === undefined ? end : Math.min(next, end);
    }
  }
  do {
    const sources = yield;
    const piece = sources.records.tradesBefore(wallet, next, RECORDS_PER_PIECE);
    for (const trade of piece.records) {
      if (trade.tradeId < from) return page();
      if (fills.length === limit) return page(next);
      read++;
      next = trade.tradeId;
      const isAsked = orderId === undefined || orderIdOf(trade, wallet) === orderId;
      if (isAsked && isOf(trade, marketId)) fills.push(contractFill(sources, trade, wallet));
    }
    next = piece.last?.[0];
    if (piece.read < RECORDS_PER_PIECE) next = undefined;
  } while (next !== undefined && read < RECORDS_PER_PAGE);
  return page(next);
}

function* recoverable({ request, wallet, since, max }: RequestOf<"recover">): WalletTask {
  const answer = (recovered: boolean): ExchangeNews => {
    return { type: "recoverable", request, recovered };
  };
  const { records, core, now } = yield;
  if (since > now) return answer(false);
  if (since < records.completeFrom("orders") || since < records.completeFrom("trades"))
    return answer(false);
  let count = 0;
  for (const { updatedTs } of core.openOrders(wallet)) if (updatedTs >= since) count++;
  let next: readonly number[] | undefined = [records.firstTradeSince(since)];
  const counts: ((records: WalletRecords) => readonly (readonly number[])[])[] = [
    (tables) => tables.tradeKeys(wallet, next ?? [], KEYS_PER_PIECE),
    (tables) => tables.finishKeys(wallet, next ?? [], KEYS_PER_PIECE),
  ];
  for (const keysOf of counts) {
    while (next !== undefined) {
      const { records: tables } = yield;
      const keys = keysOf(tables);
      count += keys.length;
      if (count > max) return answer(false);
      const last: readonly number[] | undefined = keys.at(-1);
      next = last === undefined || keys.length < KEYS_PER_PIECE ? undefined : behind(last);
    }
    next = [since, 0];
  }
  return answer(true);
}

/** The key that follows one. */
function behind(key: readonly number[]): number[] {
  return [...key.slice(0, -1), (key.at(-1) ?? 0) + 1];
}

/** What has become of orders, to be told in the order in which it happened. */
interface Happened {
  readonly ts: number;
  readonly what: { readonly trade: Trade } | { readonly order: Order };
}

/**
 * All in one piece, so that what it says and what is told from then on leave nothing out: where it ends without a
 * `next`, it has all that is on disk, and the exchange is between two batches.
 */
function* replay({ request, wallet, from, promised }: RequestOf<"replay">): WalletTask {
  const sources = yield;
  const { records, core } = sources;
  const position = positionOf(records, from);
  const { tradeId, ts, orderId } = position;
  // What was there when the replay began may have been pruned since, behind a slow socket.
  if (promised && (ts < records.completeFrom("orders") || tradeId < firstCompleteTrade(records)))
    return { type: "replay-lost", request };
  const trades = records.tradesFrom(wallet, tradeId, RECORDS_PER_PIECE);
  const finished = records.finishedFrom(wallet, ts, orderId, RECORDS_PER_PIECE);
  const open = [...core.openOrders(wallet)].filter(
    (order) => order.updatedTs > ts || (order.updatedTs === ts && order.orderId >= orderId),
  );
  const orders = [...finished.records, ...open].sort(
    (a, b) => a.updatedTs - b.updatedTs || a.orderId - b.orderId,
  );
  const happened: Happened[] = [
    ...trades.records.map((trade) => ({ ts: trade.ts, what: { trade } })),
    ...orders.map((order) => ({ ts: order.updatedTs, what: { order } })),
  ];
  // The sort is stable: of what happened at once, fills come first.
  happened.sort((a, b) => a.ts - b.ts);
  const told = happened.slice(0, RECORDS_PER_PIECE);
  const isAll =
    happened.length <= RECORDS_PER_PIECE &&
    trades.read < RECORDS_PER_PIECE &&
    finished.read < RECORDS_PER_PIECE;
  return {
    type: "replay",
    request,
    told: told.map(({ what }) =>
      "trade" in what
        ? contractFill(sources, what.trade, wallet)
        : contractOrder(sources, what.order),
    ),
    next: isAll ? undefined : behindAll(position, told, trades.last, finished.last),
  };
}

function firstCompleteTrade(records: WalletRecords): number {
  const from = records.completeFrom("trades");
  return from === 0 ? 1 : records.firstTradeSince(from);
}

function positionOf(records: WalletRecords, from: ReplayFrom): ReplayPosition {
  if (!("since" in from)) return from;
  return { tradeId: records.firstTradeSince(from.since), ts: from.since, orderId: 0 };
}

/**
 * @param lastTrade where the trades end that were looked at, and `lastFinish` the finished orders: where nothing
 *   of them can be read, it goes on behind them
 */
function behindAll(
  position: ReplayPosition,
  told: readonly Happened[],
  lastTrade: readonly number[] | undefined,
  lastFinish: readonly number[] | undefined,
): ReplayPosition {
  let { tradeId, ts, orderId } = position;
  if (told.length === 0) {
    const [unreadTrade = tradeId - 1] = lastTrade ?? [];
    const [unreadTs = ts, unreadOrder = orderId - 1] = lastFinish ?? [];
    return { tradeId: unreadTrade + 1, ts: unreadTs, orderId: unreadOrder + 1 };
  }
  for (const { what } of told) {
    if ("trade" in what) tradeId = what.trade.tradeId + 1;
    else {
      ts = what.order.updatedTs;
      orderId = what.order.orderId + 1;
    }
  }
  return { tradeId, ts, orderId };
}

function isOf(one: { readonly marketId: MarketId }, marketId: MarketId | undefined): boolean {
  return marketId === undefined || one.marketId === marketId;
}

function orderIdOf(trade: Trade, wallet: string): number {
  return trade.takerWallet === wallet ? trade.takerOrderId : trade.makerOrderId;
}

function contractOrder(sources: WalletSources, order: Order): ContractOrder {
  return toContractOrder(order, scalesOf(sources, order));
}

function contractFill(sources: WalletSources, trade: Trade, wallet: string): ContractFill {
  const [maker, taker] = toContractFills(trade, scalesOf(sources, trade));
  return trade.takerWallet === wallet ? taker : maker;
}

function scalesOf({ core }: WalletSources, one: { readonly marketId: MarketId }): MarketScales {
  return core.listed(one.marketId);
}
