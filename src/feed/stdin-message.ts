import { z } from "zod";
import { BOOK_LEVELS_MAX, MARKET_STATUSES, SIDES } from "../shared/market.js";
import { textSchema } from "../shared/text-schema.js";
import { firstIssue, marketFields, marketIdSchema } from "./market-schema.js";
import { RejectedInput } from "./rejected-input.js";

/** A trade id is bounded in bytes, by the sink. */
const TRADE_ID_CHARACTERS_MAX = 64;

const status = z.enum(MARKET_STATUSES);
const market_id = marketIdSchema;
const levels = z.array(z.tuple([z.number(), z.number()])).max(BOOK_LEVELS_MAX);

const stdinMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("market"), ...marketFields, status: status.optional() }),
  z.object({
    type: z.literal("quote"),
    market_id,
    best_bid: z.number().nullable(),
    best_ask: z.number().nullable(),
  }),
  z.object({
    type: z.literal("trade"),
    market_id,
    price: z.number(),
    quantity: z.number(),
    taker_side: z.enum(SIDES),
    trade_id: textSchema("name", { min: 1, max: TRADE_ID_CHARACTERS_MAX }).optional(),
  }),
  z.object({ type: z.literal("book"), market_id, bids: levels, asks: levels }),
  z.object({ type: z.literal("status"), market_id, status }),
]);

/** One line of the stdin feed: prices and quantities as numbers, not in ticks and lots. */
export type StdinMessage = z.infer<typeof stdinMessageSchema>;

/** Parses one line. Throws RejectedInput. */
export function parseStdinMessage(text: string): StdinMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RejectedInput("INVALID_JSON", (error as Error).message);
  }
  const result = stdinMessageSchema.safeParse(value);
  if (result.success) return result.data;
  throw new RejectedInput("INVALID_MESSAGE", firstIssue(result.error));
}
