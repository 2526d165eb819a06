import { z } from "zod";
import { DecimalScale } from "../shared/decimal-scale.js";
import { type MarketId, parseMarketId } from "../shared/market-id.js";
import { nullIsAbsent } from "../shared/null-is-absent.js";
import { textSchema } from "../shared/text-schema.js";
import type { MarketAction, MarketOutcome, MarketRefusal } from "../workers/producer/messages.js";

/** More than --max-title-bytes allows. */
const TITLE_CHARACTERS_MAX = 1024;

const marketId = z.unknown().transform((value, context): MarketId => {
  const id = parseMarketId(value);
  if (id !== undefined) return id;
  context.addIssue(
    `must be an unsigned 128-bit integer, beyond 2^53 - 1 as a string, not ${JSON.stringify(value)}`,
  );
  return z.NEVER;
});
const step = z.number().refine((value) => DecimalScale.of(value) !== undefined, {
  error: ({ input }) =>
    `must be a positive decimal such as 0.01, of at most 15 digits, not ${String(input)}`,
});

const listing = nullIsAbsent(
  z.strictObject({
    market_id: marketId,
    title: textSchema("line", { min: 1, max: TITLE_CHARACTERS_MAX }),
    tick_size: step,
    lot_size: step,
    max_price: z.number().positive().optional(),
  }),
).transform(
  ({ market_id, title, tick_size, lot_size, max_price }): MarketAction => ({
    type: "list",
    marketId: market_id,
    title,
    tickSize: tick_size,
    lotSize: lot_size,
    maxPrice: max_price,
  }),
);

function named(type: "halt" | "resume" | "close"): z.ZodType<MarketAction> {
  return z
    .strictObject({ market_id: marketId })
    .transform(({ market_id }): MarketAction => ({ type, marketId: market_id }));
}

const settlement = z
  .strictObject({ market_id: marketId, price: z.number() })
  .transform(
    ({ market_id, price }): MarketAction => ({ type: "settle", marketId: market_id, price }),
  );

/** What an operator may ask of markets, by path: the form of a body, and the change that it stands for. */
export const MARKET_REQUESTS: Readonly<Record<string, z.ZodType<MarketAction>>> = {
  "/list": listing,
  "/halt": named("halt"),
  "/resume": named("resume"),
  "/close": named("close"),
  "/settle": settlement,
};

const STATUSES = {
  INVALID_MESSAGE: 400,
  MARKET_NOT_FOUND: 404,
  MARKET_EXISTS: 409,
  MARKET_CLOSED: 409,
  MARKET_SETTLED: 409,
  TABLE_FULL: 409,
  NO_EXCHANGE: 409,
  UNAVAILABLE: 503,
} as const satisfies Record<MarketRefusal["code"], number>;

/** What is answered for a refusal. */
export function marketRefusal({ code, message }: MarketRefusal) {
  return { status: STATUSES[code], code, message };
}

/**
 * What every client is told of a change; undefined where its messages say it all. A settlement is told again where
 * it is asked for again: the first time nobody may have heard of it.
 */
export function noticeOf({ type }: MarketAction, outcome: MarketOutcome): string | undefined {
  if (type !== "settle" || !("change" in outcome)) return undefined;
  const { market_id, settlement_price } = outcome.change.market;
  if (settlement_price === undefined) return undefined;
  return `market ${market_id} is settled at ${settlement_price}`;
}
