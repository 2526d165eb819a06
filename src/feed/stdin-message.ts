import { z } from "zod";
import { BOOK_LEVELS_MAX, MARKET_STATUSES, SIDES } from "../shared/market.js";
import { textSchema } from "../shared/text-schema.js";
import { firstIssue, marketFields, marketIdSchema, numberSchema } from "./market-schema.js";
import { parseJsonLine, RejectedInput } from "./rejected-input.js";

/** A trade id is bounded in bytes, by the sink. */
const TRADE_ID_CHARACTERS_MAX = 64;

const status = z.enum(MARKET_STATUSES);
const market_id = marketIdSchema;
const levels = z.array(z.tuple([numberSchema, numberSchema])).max(BOOK_LEVELS_MAX);

const stdinMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("market"), ...marketFields, status: status.nullish() }),
  z.object({
    type: z.literal("quote"),
    market_id,
    best_bid: numberSchema.nullable(),
    best_ask: numberSchema.nullable(),
    bid_quantity: numberSchema.nullish(),
    ask_quantity: numberSchema.nullish(),
  }),
  z.object({
    type: z.literal("trade"),
    market_id,
    price: numberSchema,
    quantity: numberSchema,
    taker_side: z.enum(SIDES),
    trade_id: textSchema("name", { min: 1, max: TRADE_ID_CHARACTERS_MAX }).nullish(),
  }),
  z.object({ type: z.literal("book"), market_id, bids: levels, asks: levels }),
  z.object({ type: z.literal("status"), market_id, status }),
]);

/** One line of the stdin feed: prices and quantities as numbers, not in ticks and lots. */
export type StdinMessage = z.infer<typeof stdinMessageSchema>;

/** Parses one line. Throws RejectedInput. */
export function parseStdinMessage(text: string): StdinMessage {
  const result = stdinMessageSchema.safeParse(parseJsonLine(text));
  if (result.success) return result.data;
  const path = result.error.issues[0]?.path ?? [];
  throw new RejectedInput("INVALID_MESSAGE", firstIssue(result.error), path);
}
