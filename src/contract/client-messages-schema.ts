import { z } from "zod";
import { CANDLE_INTERVALS, type CandleInterval } from "../shared/candle.js";
import { SIDES } from "../shared/market.js";
import { nullIsAbsent } from "../shared/null-is-absent.js";
import {
  ORDER_STATUSES,
  ORDER_TYPES,
  type OrderStatus,
  SELF_TRADES,
  TIMES_IN_FORCE,
} from "../shared/order.js";
import { textSchema, walletSchema } from "../shared/text-schema.js";
import { channelKey } from "./channel-kinds.js";
import {
  boundedList,
  channelNameSchema,
  channelSchema,
  marketIdSchema,
  microsSchema,
} from "./channels-schema.js";
import { type FormFault, formFault } from "./form-fault.js";
import {
  CANCEL_AFTER_MS,
  CHANNELS_PER_REQUEST_MAX,
  CLIENT_ORDER_ID_CHARACTERS_MAX,
  CURSOR_CHARACTERS_MAX,
  HISTORY_PAGE_MAX,
  ORDER_ID_CHARACTERS_MAX,
  ORDERS_PER_REQUEST_MAX,
  REQUEST_ID_CHARACTERS_MAX,
} from "./limits.js";
import type { RequestedOrder } from "./messages.js";
import { publicationSchema } from "./publication-schema.js";

/**
 * A client's request id: a safe integer or a short string, given back with each direct reply as it was.
 * Ill-formed Unicode could not be.
 */
export const requestIdSchema = z.union([
  z.int(),
  textSchema("well-formed", { max: REQUEST_ID_CHARACTERS_MAX }),
]);
export type RequestId = z.infer<typeof requestIdSchema>;

/** Channels in canonical form, each of them once. */
const channels = boundedList(channelSchema, CHANNELS_PER_REQUEST_MAX).transform((named) => [
  ...new Map(named.map((one) => [channelKey(one), one])).values(),
]);

const clientOrderId = z
  .string()
  .regex(
    new RegExp(`^[A-Za-z0-9_-]{1,${CLIENT_ORDER_ID_CHARACTERS_MAX}}$`),
    `must be 1 to ${CLIENT_ORDER_ID_CHARACTERS_MAX} of A-Z, a-z, 0-9, _ and -`,
  );

/** An order's form; whether the market, the price and the quantity will do is the exchange's to say. */
const orderRequest = z
  .strictObject({
    market_id: marketIdSchema,
    side: z.enum(SIDES),
    order_type: z.enum(ORDER_TYPES),
    price: z.number().optional(),
    quantity: z.number(),
    time_in_force: z.enum(TIMES_IN_FORCE).optional(),
    post_only: z.boolean().optional(),
    client_order_id: clientOrderId.optional(),
    expires_ts: microsSchema.optional(),
    valid_until_ts: microsSchema.optional(),
    self_trade: z.enum(SELF_TRADES).optional(),
  })
  .check((context) => {
    const { order_type, price, time_in_force, expires_ts } = context.value;
    const refuse = (field: string, input: unknown, message: string): void => {
      context.issues.push({ code: "custom", input, path: [field], message });
    };
    const isLimit = order_type === "Limit";
    if (isLimit !== (price !== undefined))
      refuse(
        "price",
        price,
        isLimit ? "a Limit order needs a price" : "a Market order takes no price",
      );
    const isGtd = time_in_force === "GTD";
    if (isGtd !== (expires_ts !== undefined))
      refuse(
        "expires_ts",
        expires_ts,
        isGtd ? "a GTD order needs an expires_ts" : "only a GTD order takes an expires_ts",
      );
  });
// What may be missing is there, or is not: no encoding brings an undefined one.
const order = nullIsAbsent(orderRequest).transform((one) => one as RequestedOrder);

/** An order of several, or what is wrong with its form: the others are none the worse for it. */
const orderOrFault = z.union([
  order,
  z.unknown().transform((value): { readonly fault: FormFault } => ({
    // The schema has found a fault in it already.
    fault: formFault(order.safeParse(value).error as z.ZodError),
  })),
]);

const orderId = textSchema("name", { min: 1, max: ORDER_ID_CHARACTERS_MAX });

const orderNames = z.object({
  order_id: orderId.optional(),
  client_order_id: clientOrderId.optional(),
});

function orderName(
  { order_id, client_order_id }: z.output<typeof orderNames>,
  context: z.core.$RefinementCtx,
): { readonly order_id: string } | { readonly client_order_id: string } {
  if (order_id !== undefined && client_order_id === undefined) return { order_id };
  if (client_order_id !== undefined && order_id === undefined) return { client_order_id };
  context.addIssue({
    code: "custom",
    message: "needs either an order_id or a client_order_id",
    path: ["order_id"],
  });
  return z.NEVER;
}

/** One of the two names of an order. */
const orderReference = nullIsAbsent(orderNames).transform(orderName);

const amendment = nullIsAbsent(
  orderNames.extend({ price: z.number().optional(), quantity: z.number().optional() }),
).transform(({ price, quantity, ...names }, context) => {
  if (price === undefined && quantity === undefined)
    context.addIssue({
      code: "custom",
      message: "needs a price or a quantity",
      path: ["quantity"],
    });
  return {
    ...orderName(names, context),
    ...(price !== undefined && { price }),
    ...(quantity !== undefined && { quantity }),
  };
});

const page = {
  before: textSchema("line", { min: 1, max: CURSOR_CHARACTERS_MAX }).optional(),
  limit: z.int().min(1).max(HISTORY_PAGE_MAX).optional(),
};

const historyRequest = z.object({
  market_id: marketIdSchema,
  from: microsSchema.optional(),
  to: microsSchema.optional(),
  ...page,
});
const walletHistoryRequest = z.object({
  wallet: walletSchema.optional(),
  market_id: marketIdSchema.optional(),
  ...page,
});
const orderStatus = z.enum(ORDER_STATUSES);
/** One status or several; none of them is every one. */
const orderStatuses = z
  .union([orderStatus, z.array(orderStatus).max(ORDER_STATUSES.length)])
  .transform((named) => {
    const wanted: readonly OrderStatus[] = typeof named === "string" ? [named] : named;
    return ORDER_STATUSES.filter((status) => wanted.includes(status));
  });
const candleIntervals = Object.keys(CANDLE_INTERVALS) as CandleInterval[];

/** The `data` of each message type a client can send. */
export const clientData = {
  Authenticate: nullIsAbsent(
    z.object({ token: z.string(), session: z.string().optional() }),
  ).transform(({ token, session }) => (session === undefined ? { token } : { token, session })),
  Subscribe: z.object({ channels }),
  Unsubscribe: z.object({ channels }),
  Ping: z.object({ timestamp: z.number() }),
  PlaceOrder: nullIsAbsent(z.object({ order, validate_only: z.boolean().optional() })),
  PlaceOrders: z.object({ orders: boundedList(orderOrFault, ORDERS_PER_REQUEST_MAX) }),
  AmendOrder: amendment,
  CancelOrder: orderReference,
  CancelOrders: nullIsAbsent(
    z.object({ market_id: marketIdSchema.optional(), side: z.enum(SIDES).optional() }),
  ),
  CancelAfter: z.object({
    timeout_ms: z
      .int()
      .refine(
        (ms) => ms === 0 || (ms >= CANCEL_AFTER_MS.least && ms <= CANCEL_AFTER_MS.most),
        `must be 0, or from ${CANCEL_AFTER_MS.least} to ${CANCEL_AFTER_MS.most}`,
      ),
  }),
  TradeHistory: nullIsAbsent(historyRequest),
  CandleHistory: nullIsAbsent(historyRequest.extend({ interval: z.enum(candleIntervals) })),
  OrderHistory: nullIsAbsent(walletHistoryRequest.extend({ status: orderStatuses.optional() })),
  FillHistory: nullIsAbsent(walletHistoryRequest.extend({ order_id: orderId.optional() })),
  GetOrder: orderReference,
  Publish: z.object({ channel: channelNameSchema, data: publicationSchema }),
} as const;

export type ClientType = keyof typeof clientData;

/** A message from a client, parsed: `data` in canonical form. */
export type ClientMessage = {
  [T in ClientType]: {
    readonly type: T;
    readonly id?: RequestId;
    readonly data: z.output<(typeof clientData)[T]>;
  };
}[ClientType];
