import { CANCEL_REASONS, type CancelReason } from "../contract/order-rules.js";
import type { EngineChanges } from "../engine/commands.js";
import type { AdministeredMarket, Listing } from "../engine/market.js";
import type {
  MarketTotals,
  Order,
  OriginalTerms,
  Position,
  Trade,
  WalletTimer,
} from "../engine/order.js";
import { MARKET_STATUSES, SIDES } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import { ORDER_STATUSES, ORDER_TYPES, SELF_TRADES, TIMES_IN_FORCE } from "../shared/order.js";
import type { Stretch } from "../shared/time-stretches.js";
import { ByteReader, ByteWriter } from "./batch-bytes.js";
import type { StoredSession } from "./records.js";

/*
 * What a batch has changed, as bytes: what the store takes of it, and not the commands that brought it about,
 * so that a later version of the engine reads the same history. The first byte is the version of the form. A
 * form that has been released does not change: what is new gets another version, and the old one is still
 * read.
 *
 *   version │ stored batch: its fields in the order of `batchForm`, and theirs in the order of their forms
 *
 * A list is a count and its elements, what may be absent a byte, 0 or 1, and then the value; a word of a fixed
 * set is a byte, its place in the set, so that sets only grow at their ends. Small things are in batch-bytes.ts.
 */
const FORM_VERSION = 1;

/** Sessions that are written and removed with a batch. */
export interface SessionWrites {
  readonly put: readonly StoredSession[];
  readonly removed: readonly string[];
}

/** All that one commit stores. */
export interface StoredBatch {
  readonly changes: EngineChanges;
  /** Of the time of all that is stored. */
  readonly stretches: readonly Stretch[];
  /** The latest that may be told before the next commit. */
  readonly latestTs: number;
  readonly sessions: SessionWrites;
}

/** How a kind of value is written and read. */
interface Form<T> {
  write(to: ByteWriter, value: T): void;
  read(from: ByteReader): T;
}

const count: Form<number> = { write: (to, value) => to.count(value), read: (from) => from.count() };
const integer: Form<number> = {
  write: (to, value) => to.integer(value),
  read: (from) => from.integer(),
};
const big: Form<bigint> = { write: (to, value) => to.big(value), read: (from) => from.big() };
const ts: Form<number> = { write: (to, value) => to.ts(value), read: (from) => from.ts() };
const double: Form<number> = {
  write: (to, value) => to.double(value),
  read: (from) => from.double(),
};
const text: Form<string> = { write: (to, value) => to.text(value), read: (from) => from.text() };
const flag: Form<boolean> = {
  write: (to, value) => to.byte(value ? 1 : 0),
  read: (from) => from.byte() !== 0,
};

/** An absent value is undefined, or null where that is what stands for it. */
function optional<T, A extends null | undefined>(form: Form<T>, absent: A): Form<T | A> {
  return {
    write(to, value) {
      to.byte(value === absent ? 0 : 1);
      if (value !== absent) form.write(to, value as T);
    },
    read: (from) => (from.byte() === 0 ? absent : form.read(from)),
  };
}

function oneOf<W extends string>(words: readonly W[]): Form<W> {
  return {
    write(to, value) {
      const place = words.indexOf(value);
      if (place < 0) throw new RangeError(`${value} is none of ${words.join(", ")}`);
      to.byte(place);
    },
    read(from) {
      const place = from.byte();
      const word = words[place];
      if (word === undefined) throw new Error(`it has word ${place} of ${words.join(", ")}`);
      return word;
    },
  };
}

function list<T>(form: Form<T>): Form<readonly T[]> {
  return {
    write(to, values) {
      to.count(values.length);
      for (const value of values) form.write(to, value);
    },
    read(from) {
      const values: T[] = [];
      for (let left = from.count(); left > 0; left--) values.push(form.read(from));
      return values;
    },
  };
}

/** All fields of an object, in this order. The type has none left out. */
function fields<T extends object>(forms: { readonly [K in keyof T]-?: Form<T[K]> }): Form<T> {
  const all = Object.entries(forms) as [keyof T, Form<T[keyof T]>][];
  return {
    write(to, value) {
      for (const [key, form] of all) form.write(to, value[key]);
    },
    read(from) {
      const value: Partial<T> = {};
      for (const [key, form] of all) value[key] = form.read(from);
      return value as T;
    },
  };
}

/** A number as an integer, at least 0; a larger one, which is a text, as such behind a −1. */
const marketId: Form<MarketId> = {
  write(to, value) {
    to.integer(typeof value === "number" ? value : -1);
    if (typeof value === "string") to.text(value);
  },
  read(from) {
    const number = from.integer();
    return number === -1 ? from.text() : number;
  },
};

const orderForm = fields<Order>({
  marketId,
  wallet: text,
  clientOrderId: optional(text, undefined),
  side: oneOf(SIDES),
  orderType: oneOf(ORDER_TYPES),
  timeInForce: oneOf(TIMES_IN_FORCE),
  postOnly: flag,
  price: optional(count, undefined),
  quantity: count,
  selfTrade: oneOf(SELF_TRADES),
  expiresTs: optional(ts, undefined),
  session: optional(text, undefined),
  orderId: count,
  priority: count,
  original: optional(
    fields<OriginalTerms>({ price: optional(count, undefined), quantity: count }),
    undefined,
  ),
  filled: count,
  filledValue: big,
  status: oneOf(ORDER_STATUSES),
  reason: optional(text, undefined),
  reasonCode: optional(oneOf(Object.keys(CANCEL_REASONS) as CancelReason[]), undefined),
  createdTs: ts,
  updatedTs: ts,
});

const tradeForm = fields<Trade>({
  tradeId: count,
  marketId,
  price: count,
  quantity: count,
  takerSide: oneOf(SIDES),
  makerOrderId: count,
  takerOrderId: count,
  makerWallet: text,
  takerWallet: text,
  makerClientOrderId: optional(text, undefined),
  takerClientOrderId: optional(text, undefined),
  ts,
});

const positionForm = fields<Position>({
  wallet: text,
  marketId,
  quantity: integer,
  cost: big,
  realizedPnl: big,
  updatedTs: ts,
});

const totalsForm = fields<MarketTotals>({
  marketId,
  lastPrice: optional(count, undefined),
  volume: count,
});

const timerForm = fields<WalletTimer>({
  wallet: text,
  setTs: ts,
  triggerTs: optional(ts, undefined),
});

const marketForm = fields<AdministeredMarket>({
  marketId,
  status: oneOf(MARKET_STATUSES),
  settlementPrice: optional(count, undefined),
  listing: optional(
    fields<Listing>({
      title: text,
      tickSize: double,
      lotSize: double,
      maxPrice: optional(double, undefined),
    }),
    undefined,
  ),
  updatedTs: ts,
});

const sessionForm = fields<StoredSession>({
  session: text,
  userId: text,
  wallet: optional(text, null),
  waitMs: count,
  run: text,
  shard: count,
});

const batchForm = fields<StoredBatch>({
  changes: fields<EngineChanges>({
    orders: list(orderForm),
    trades: list(tradeForm),
    positions: list(positionForm),
    totals: list(totalsForm),
    timers: list(timerForm),
    markets: list(marketForm),
    nextOrderId: count,
    nextTradeId: count,
  }),
  stretches: list(fields<Stretch>({ ts, passed: integer, pace: double })),
  latestTs: ts,
  sessions: fields<SessionWrites>({ put: list(sessionForm), removed: list(text) }),
});

const writer = new ByteWriter();

/**
 * A batch as bytes, in memory that the next call uses again. Throws Error for what would be read as something
 * else.
 */
export function encodeBatch(batch: StoredBatch): Buffer {
  writer.clear();
  writer.byte(FORM_VERSION);
  batchForm.write(writer, batch);
  return writer.bytes;
}

/** What a batch's bytes say. Throws Error where they are of another version, or are no batch. */
export function decodeBatch(bytes: Buffer): StoredBatch {
  const reader = new ByteReader(bytes);
  const version = reader.byte();
  if (version !== FORM_VERSION) throw new Error(`it is of version ${version}`);
  const batch = batchForm.read(reader);
  if (!reader.isAtEnd) throw new Error("it goes on behind its end");
  return batch;
}
