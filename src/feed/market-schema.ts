import { z } from "zod";
import { DecimalScale } from "../shared/decimal-scale.js";
import type { MarketDefinition } from "../shared/market.js";
import { type MarketId, parseMarketId } from "../shared/market-id.js";
import { textSchema } from "../shared/text-schema.js";

/** An unsigned 128-bit integer, as a number up to 2^53−1 or as a decimal string. */
export const marketIdSchema = z.unknown().transform((value, context): MarketId => {
  const id = parseMarketId(value);
  if (id !== undefined) return id;
  context.addIssue("must be an unsigned 128-bit integer, beyond 2^53−1 as a decimal string");
  return z.NEVER;
});

const stepSchema = z.number().refine((step) => DecimalScale.of(step) !== undefined, {
  message: "must be a positive decimal such as 0.01",
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

export type MarketFields = z.infer<z.ZodObject<typeof marketFields>>;

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
