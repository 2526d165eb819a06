import { z } from "zod";
import { DecimalScale } from "../shared/decimal-scale.js";
import { LongNumber } from "../shared/exact-number.js";
import type { MarketDefinition } from "../shared/market.js";
import { type MarketId, parseMarketId } from "../shared/market-id.js";
import { textSchema } from "../shared/text-schema.js";

/** An unsigned 128-bit integer, as a number or as a decimal string. */
export const marketIdSchema = z.unknown().transform((value, context): MarketId => {
  const id = parseMarketId(value instanceof LongNumber ? value.text : value);
  if (id !== undefined) return id;
  context.addIssue("must be an unsigned 128-bit integer, in digits alone or as a decimal string");
  return z.NEVER;
});

/** A number that a double stands for exactly. */
export const numberSchema = z.number({
  error: ({ input }) =>
    input instanceof LongNumber ? `${input} cannot be kept exactly as a number` : undefined,
});

const stepSchema = numberSchema.refine((step) => DecimalScale.of(step) !== undefined, {
  message: "must be a positive decimal such as 0.01, of at most 15 digits",
});

/** More than --max-title-bytes allows. */
const TITLE_CHARACTERS_MAX = 1024;

/** The fields of a market as users write them. */
export const marketFields = {
  market_id: marketIdSchema,
  title: textSchema("line", { min: 1, max: TITLE_CHARACTERS_MAX }),
  tick_size: stepSchema,
  lot_size: stepSchema,
};

type MarketFields = z.infer<z.ZodObject<typeof marketFields>>;

export function toMarketDefinition(fields: MarketFields): MarketDefinition {
  return {
    marketId: fields.market_id,
    title: fields.title,
    tickSize: fields.tick_size,
    lotSize: fields.lot_size,
  };
}

/** The first problem of a failed parse, as `field.path: what is wrong`. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return "invalid";
  const path = issue.path.map(String).join(".");
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}
