import { z } from "zod";
import type { RememberedClientOrderId } from "../engine/commands.js";
import type { MarketTotals, Order, Position, Trade, WalletTimer } from "../engine/order.js";
import { SIDES } from "../shared/market.js";
import { type MarketId, parseMarketId } from "../shared/market-id.js";
import { ORDER_STATUSES, ORDER_TYPES, TIMES_IN_FORCE } from "../shared/order.js";
import type { SessionTerms } from "../shared/session.js";
import type { Stretch } from "../shared/time-stretches.js";
import { commonText } from "./common-texts.js";
import { packRare, rareOrderFields, unpackRare } from "./rare-order-fields.js";
import { form, type RecordForm } from "./record-form.js";
import { asRead } from "./sealing.js";
import { isUsualOrder } from "./usual-order.js";

/** Version of the form of everything in the store. A store that says another number is not opened. */
export const SCHEMA_VERSION = 2;

/** A market: its tick size and lot size as it was first listed, and its latest title. */
export interface StoredMarket {
  readonly marketId: MarketId;
  readonly title: string;
  readonly tickSize: number;
  readonly lotSize: number;
}

/** Of the whole exchange: the next ids that it gives, and how its time has gone. */
export interface Counters {
  readonly nextOrderId: number;
  readonly nextTradeId: number;
  readonly stretches: readonly Stretch[];
  /** The latest `ts` that may have been told, stored or not; 0 where that is not known. */
  readonly latestTs: number;
}

/** An order session that orders are bound to, or that outlives its connection. */
export interface StoredSession extends SessionTerms {
  /** The run of the server that it was last connected in, and the shard. */
  readonly run: string;
  readonly shard: number;
}

/** When a wallet's open orders are to be cancelled. */
type StoredTimer = WalletTimer & { readonly triggerTs: number };

/** When an order without a client order id finished. */
export interface FinishedOrder {
  readonly orderId: number;
  readonly finishedTs: number;
}

/** The client order id of a finished order. */
type FinishedClientOrderId = RememberedClientOrderId;

const integer = z.number().refine(Number.isSafeInteger, "is no safe integer");
export const count = integer.nonnegative();
const id = integer.positive();
export const timestamp = count;
export const marketId = z.custom<MarketId>(
  (value) => parseMarketId(value) === value,
  "is no market id",
);
const text = z.string();
export const step = z.number().positive();
const stretch = z.tuple([timestamp, integer, step]);
/** MessagePack has no integers beyond 64 bits, and values may grow past them. */
const bigInteger = text.regex(/^(0|-?[1-9][0-9]*)$/);

function absent<T>(value: T | undefined): T | null {
  return value === undefined ? null : value;
}

function present<T>(value: T | null): T | undefined {
  return value === null ? undefined : value;
}

export const orderForm = form(
  z.tuple([
    id,
    marketId,
    text,
    text.nullable(),
    z.enum(SIDES),
    z.enum(ORDER_TYPES),
    z.enum(TIMES_IN_FORCE),
    z.boolean(),
    id.nullable(),
    id,
    text.nullable(),
    count,
    bigInteger,
    z.enum(ORDER_STATUSES),
    text.nullable(),
    timestamp,
    timestamp,
    rareOrderFields.optional(),
  ]),
  (order: Order) => order.orderId,
  (order) => [
    order.orderId,
    order.marketId,
    order.wallet,
    absent(order.clientOrderId),
    order.side,
    order.orderType,
    order.timeInForce,
    order.postOnly,
    absent(order.price),
    order.quantity,
    absent(order.session),
    order.filled,
    String(order.filledValue),
    order.status,
    absent(order.reason),
    order.createdTs,
    order.updatedTs,
    ...packRare(order),
  ],
  (fields) => ({
    orderId: fields[0],
    marketId: fields[1],
    wallet: commonText(fields[2]),
    clientOrderId: present(fields[3]),
    side: fields[4],
    orderType: fields[5],
    timeInForce: fields[6],
    postOnly: fields[7],
    price: present(fields[8]),
    quantity: fields[9],
    session: present(fields[10]),
    filled: fields[11],
    filledValue: BigInt(fields[12]),
    status: fields[13],
    reason: present(fields[14]),
    createdTs: fields[15],
    updatedTs: fields[16],
    ...unpackRare(fields[0], fields[17]),
  }),
  isUsualOrder,
);

export const tradeForm = form(
  z.tuple([
    id,
    marketId,
    id,
    id,
    z.enum(SIDES),
    id,
    id,
    text,
    text,
    timestamp,
    // Stores of version 1 have none of these.
    text.nullable().optional(),
    text.nullable().optional(),
  ]),
  (trade: Trade) => trade.tradeId,
  (trade) => [
    trade.tradeId,
    trade.marketId,
    trade.price,
    trade.quantity,
    trade.takerSide,
    trade.makerOrderId,
    trade.takerOrderId,
    trade.makerWallet,
    trade.takerWallet,
    trade.ts,
    absent(trade.makerClientOrderId),
    absent(trade.takerClientOrderId),
  ],
  (fields) => ({
    tradeId: fields[0],
    marketId: fields[1],
    price: fields[2],
    quantity: fields[3],
    takerSide: fields[4],
    makerOrderId: fields[5],
    takerOrderId: fields[6],
    makerWallet: fields[7],
    takerWallet: fields[8],
    ts: fields[9],
    makerClientOrderId: fields[10] ?? undefined,
    takerClientOrderId: fields[11] ?? undefined,
  }),
);

const storedPositionForm = form(
  z.tuple([text, marketId, integer, bigInteger, bigInteger, timestamp]),
  // As JSON, because LMDB's key of an array may hold no NUL, and a wallet was any text once.
  (position: Position) => JSON.stringify([position.wallet, position.marketId]),
  (position) => [
    position.wallet,
    position.marketId,
    position.quantity,
    String(position.cost),
    String(position.realizedPnl),
    position.updatedTs,
  ],
  (fields) => ({
    wallet: commonText(fields[0]),
    marketId: fields[1],
    quantity: fields[2],
    cost: BigInt(fields[3]),
    realizedPnl: BigInt(fields[4]),
    updatedTs: fields[5],
  }),
);

/**
 * Stores of earlier versions have positions of wallets with lone surrogates, which are read as U+FFFD.
 * Their keys tell who they are of, as JSON has escapes for them.
 */
export const positionForm: RecordForm<string, Position> = {
  ...storedPositionForm,
  decode(bytes, key) {
    const position = storedPositionForm.decode(bytes, key);
    const [wallet] = JSON.parse(key) as [string];
    const isMisread = !wallet.isWellFormed() && asRead(wallet) === position.wallet;
    return isMisread ? { ...position, wallet } : position;
  },
};

export const totalsForm = form(
  z.tuple([marketId, id.nullable(), count]),
  (totals: MarketTotals) => String(totals.marketId),
  (totals) => [totals.marketId, absent(totals.lastPrice), totals.volume],
  (fields) => ({ marketId: fields[0], lastPrice: present(fields[1]), volume: fields[2] }),
);

export const marketForm = form(
  z.tuple([marketId, text, step, step]),
  (market: StoredMarket) => String(market.marketId),
  (market) => [market.marketId, market.title, market.tickSize, market.lotSize],
  (fields) => ({
    marketId: fields[0],
    title: fields[1],
    tickSize: fields[2],
    lotSize: fields[3],
  }),
);

export const sessionForm = form(
  z.tuple([text, text, text.nullable(), count, text, count]),
  ({ session }: StoredSession) => session,
  ({ session, userId, wallet, waitMs, run, shard }) => [
    session,
    userId,
    wallet,
    waitMs,
    run,
    shard,
  ],
  ([session, userId, wallet, waitMs, run, shard]) => ({
    session,
    userId,
    wallet,
    waitMs,
    run,
    shard,
  }),
);

export const timerForm = form(
  z.tuple([text, timestamp, timestamp]),
  ({ wallet }: StoredTimer) => wallet,
  ({ wallet, setTs, triggerTs }) => [wallet, setTs, triggerTs],
  ([wallet, setTs, triggerTs]) => ({ wallet, setTs, triggerTs }),
);

/** By finish time, so that the oldest come first. */
export const finishedOrderForm = form(
  z.tuple([id, timestamp]),
  ({ finishedTs, orderId }: FinishedOrder) => [finishedTs, orderId],
  ({ orderId, finishedTs }) => [orderId, finishedTs],
  (fields) => ({ orderId: fields[0], finishedTs: fields[1] }),
);

/** By finish time, so that the oldest come first. */
export const finishedClientOrderIdForm = form(
  z.tuple([id, timestamp, text, text]),
  ({ finishedTs, orderId }: FinishedClientOrderId) => [finishedTs, orderId],
  (finished) => [finished.orderId, finished.finishedTs, finished.wallet, finished.clientOrderId],
  (fields) => ({
    orderId: fields[0],
    finishedTs: fields[1],
    wallet: commonText(fields[2]),
    clientOrderId: fields[3],
  }),
);

function toTuple({ ts, passed, pace }: Stretch): z.infer<typeof stretch> {
  return [ts, passed, pace];
}

/** The only record of its table. */
export const COUNTERS_KEY = "counters";
export const countersForm = form(
  // Stores of earlier versions have two or three of these fields.
  z.tuple([id, id, z.array(stretch).optional(), timestamp.optional()]),
  (_: Counters) => COUNTERS_KEY,
  ({ nextOrderId, nextTradeId, stretches, latestTs }) => {
    return [nextOrderId, nextTradeId, stretches.map(toTuple), latestTs];
  },
  ([nextOrderId, nextTradeId, stretches = [], latestTs = 0]) => ({
    nextOrderId,
    nextTradeId,
    latestTs,
    stretches: stretches.map(([ts, passed, pace]) => ({ ts, passed, pace })),
  }),
);

/** The only record of its table: up to which number the trees contain the journal. */
export const JOURNALED_KEY = "journaled";
export const journaledForm = form(
  z.tuple([count]),
  (_: number) => JOURNALED_KEY,
  (number) => [number],
  ([number]) => number,
);

/** The only record of its table: a number by itself, which any version can read. */
export const SCHEMA_KEY = "schema";
export const schemaForm = form(
  z.tuple([id]),
  (_: number) => SCHEMA_KEY,
  (version) => [version],
  ([version]) => version,
);
