import { z } from "zod";
import { MARKET_STATUSES } from "../shared/market.js";
import { compareMarketIds, type MarketId, parseMarketId } from "../shared/market-id.js";
import { nullIsAbsent } from "../shared/null-is-absent.js";
import { textSchema, walletSchema } from "../shared/text-schema.js";
import { canonicalFilter } from "./canonical-filter.js";
import type { PrivateOf } from "./channel-kinds.js";
import { PRICE_FEED_MARKETS_MAX, SEARCH_CHARACTERS_MAX } from "./limits.js";

/** Parses a market id in any form a client may send into its canonical one. */
export const marketIdSchema = z.unknown().transform((value, context): MarketId => {
  const id = parseMarketId(value);
  if (id !== undefined) return id;
  context.addIssue({ code: "custom", message: noMarketId(value) });
  return z.NEVER;
});

function noMarketId(value: unknown): string {
  return `must be an integer from 0 to 2^128-1, beyond 2^53-1 as a decimal string, not ${describe(value)}`;
}

/** Market ids in canonical form, parsed in one go: a request may have thousands. */
const marketIdsSchema = z
  .array(z.unknown())
  .min(1)
  .max(PRICE_FEED_MARKETS_MAX)
  .transform((values, context): MarketId[] => {
    const ids = new Set<MarketId>();
    for (const [index, value] of values.entries()) {
      const id = parseMarketId(value);
      if (id !== undefined) ids.add(id);
      else {
        context.addIssue({ code: "custom", message: noMarketId(value), path: [index] });
        return z.NEVER;
      }
    }
    return [...ids].sort(compareMarketIds);
  });

const statusSchema = z.enum(MARKET_STATUSES);
const volumeSchema = z.number().nonnegative();

/** A list whose length is checked before anything of it is looked at. */
export function boundedList<Item extends z.ZodType>(item: Item, most: number) {
  return z.array(z.unknown()).min(1).max(most).pipe(z.array(item));
}

const filterSchema = z.object({
  status: z.union([statusSchema, boundedList(statusSchema, 64)]).optional(),
  min_volume: volumeSchema.optional(),
  max_volume: volumeSchema.optional(),
  search: textSchema("line", { max: SEARCH_CHARACTERS_MAX }).optional(),
});

const marketParams = z.object({ market_id: marketIdSchema });
const walletParams = z.object({ wallet: walletSchema });

/** Microseconds since the Unix epoch, in any form that an encoding has for an exact integer. */
const sinceSchema = z.unknown().transform((value, context): number | undefined => {
  if (value === undefined || value === null) return undefined;
  const since = typeof value === "bigint" ? Number(value) : value;
  if (typeof since === "number" && Number.isSafeInteger(since) && since >= 0) return since;
  const message = `must be an integer from 0 to 2^53-1, in microseconds, not ${describe(value)}`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

/**
 * A channel as a client names it, parsed into canonical form: two spellings of a channel (key order,
 * ids as number or string, order and repetition in lists) give equal JSON.
 */
const namedChannelSchema = z.discriminatedUnion("type", [
  z
    .object({
      type: z.literal("Markets"),
      params: z.object({ filter: nullIsAbsent(filterSchema).nullish() }).nullish(),
    })
    .transform(({ type, params }) => {
      const filter = canonicalFilter(params?.filter ?? undefined);
      return { type, params: filter === null ? null : { filter } };
    }),
  z.object({ type: z.literal("Market"), params: marketParams }),
  z.object({ type: z.literal("PriceFeed"), params: z.object({ market_ids: marketIdsSchema }) }),
  z
    .object({ type: z.literal("Trades"), params: nullIsAbsent(marketParams.partial()).nullish() })
    .transform(({ type, params }) => ({
      type,
      params: params?.market_id === undefined ? null : { market_id: params.market_id },
    })),
  z.object({ type: z.literal("Orders"), params: walletParams }),
  z.object({ type: z.literal("Positions"), params: walletParams }),
  z.object({ type: z.literal("SystemStatus") }).transform(({ type }) => ({ type, params: null })),
]);

/** From when on a client wants the channel's messages again; no part of the channel. */
export interface Since {
  readonly since?: number;
}

/** A channel as a client names it, and since when it wants its messages. */
export const channelSchema = z
  .intersection(namedChannelSchema, z.object({ since: sinceSchema.optional() }))
  .transform(({ since, ...named }): z.output<typeof namedChannelSchema> & Since =>
    since === undefined ? named : { ...named, since },
  );

/** A channel in canonical form. */
export type Channel = z.output<typeof namedChannelSchema> & Since;
/** A channel that is open to everybody. */
export type PublicChannel = Exclude<Channel, PrivateOf<Channel>>;

/** A short text of any value; of an object no more than that it is one, as its own text may throw. */
function describe(value: unknown): string {
  if (typeof value === "object" && value !== null)
    return Array.isArray(value) ? "an array" : "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
