import { z } from "zod";
import { CANDLE_INTERVALS, type CandleInterval } from "../shared/candle.js";
import { MARKET_STATUSES } from "../shared/market.js";
import { compareMarketIds, type MarketId, parseMarketId } from "../shared/market-id.js";
import { nullIsAbsent } from "../shared/null-is-absent.js";
import { textSchema, walletSchema } from "../shared/text-schema.js";
import { canonicalFilter } from "./canonical-filter.js";
import { isNamed, isPrivate, type NamedOf, type PrivateOf } from "./channel-kinds.js";
import {
  BOOK_DEPTH_DEFAULT,
  BOOK_DEPTHS,
  CANDLES_MAX,
  CANDLES_USUAL,
  HEARTBEAT_INTERVAL_MS,
  MERGE_INTERVALS_MS,
  PRICE_FEED_MARKETS_MAX,
  SEARCH_CHARACTERS_MAX,
} from "./limits.js";
import type { MergeInterval, PresenceSubject } from "./messages.js";
import { CHANNEL_NAME_RULE, isChannelName } from "./publication.js";

/** How a market id is described to those who read schemas. */
export const MARKET_ID_FORM = {
  description: "an integer from 0 to 2^128-1; a decimal string beyond 2^53-1",
  anyOf: [
    { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    { type: "string", pattern: "^(0|[1-9][0-9]{0,38})$" },
  ],
};

/** Parses a market id in any form a client may send into its canonical one. */
export const marketIdSchema = z
  .unknown()
  .transform((value, context): MarketId => {
    const id = parseMarketId(value);
    if (id !== undefined) return id;
    context.addIssue({ code: "custom", message: noMarketId(value) });
    return z.NEVER;
  })
  .meta(MARKET_ID_FORM);

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
  })
  .meta({ items: MARKET_ID_FORM });

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

/** The numbers that a parameter may be; which one it is by default is not told back. */
function oneOf<const Number extends number>(numbers: readonly Number[]) {
  return z.literal(numbers, { error: `must be one of ${numbers.join(", ")}` });
}

const marketParams = z.object({ market_id: marketIdSchema });
const candleParams = nullIsAbsent(
  z.object({
    market_id: marketIdSchema,
    interval: z.enum(Object.keys(CANDLE_INTERVALS) as CandleInterval[]),
    limit: z.int().min(0).max(CANDLES_MAX).optional(),
  }),
);
const heartbeatParams = z.object({
  interval_ms: z.int().min(HEARTBEAT_INTERVAL_MS.least).max(HEARTBEAT_INTERVAL_MS.most).optional(),
});
const merged = { interval_ms: oneOf(MERGE_INTERVALS_MS).nullish() };
const flag = z.boolean().nullish();

/** Only what differs from the default is named. */
function mergedBy(intervalMs: MergeInterval | null | undefined) {
  return intervalMs ? { interval_ms: intervalMs } : {};
}

/** The name of a channel that users publish to. */
export const channelNameSchema = z
  .string()
  .refine(isChannelName, CHANNEL_NAME_RULE)
  .meta({ description: CHANNEL_NAME_RULE });
const presenceParams = nullIsAbsent(
  z.object({ market_id: marketIdSchema.optional(), channel: channelNameSchema.optional() }),
).transform(({ market_id, channel }, context): PresenceSubject => {
  if (market_id !== undefined && channel === undefined) return { market_id };
  if (channel !== undefined && market_id === undefined) return { channel };
  context.addIssue({
    code: "custom",
    message: "needs either a market_id or a channel",
    path: ["market_id"],
  });
  return z.NEVER;
});
const walletParams = z.object({ wallet: walletSchema });

/** Microseconds since the Unix epoch, in any form that an encoding has for an exact integer; null is none. */
export const microsSchema = z.unknown().transform((value, context): number | undefined => {
  if (value === undefined || value === null) return undefined;
  const micros = typeof value === "bigint" ? Number(value) : value;
  if (typeof micros === "number" && Number.isSafeInteger(micros) && micros >= 0) return micros;
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
      params: z.object({ filter: nullIsAbsent(filterSchema).nullish(), ...merged }).nullish(),
    })
    .transform(({ type, params }) => {
      const filter = canonicalFilter(params?.filter ?? undefined);
      const asked = { ...(filter !== null && { filter }), ...mergedBy(params?.interval_ms) };
      return { type, params: Object.keys(asked).length === 0 ? null : asked };
    }),
  z
    .object({ type: z.literal("Market"), params: marketParams.extend(merged) })
    .transform(({ type, params: { market_id, interval_ms } }) => ({
      type,
      params: { market_id, ...mergedBy(interval_ms) },
    })),
  z
    .object({
      type: z.literal("PriceFeed"),
      params: z.object({ market_ids: marketIdsSchema, sizes: flag, ...merged }),
    })
    .transform(({ type, params: { market_ids, sizes, interval_ms } }) => ({
      type,
      params: { market_ids, ...(sizes && { sizes }), ...mergedBy(interval_ms) },
    })),
  z
    .object({
      type: z.literal("Book"),
      params: marketParams.extend({
        depth: oneOf(BOOK_DEPTHS).nullish(),
        checksum: flag,
        ...merged,
      }),
    })
    .transform(({ type, params: { market_id, depth, checksum, interval_ms } }) => ({
      type,
      params: {
        market_id,
        depth: depth ?? BOOK_DEPTH_DEFAULT,
        ...(checksum && { checksum }),
        ...mergedBy(interval_ms),
      },
    })),
  z
    .object({ type: z.literal("Trades"), params: nullIsAbsent(marketParams.partial()).nullish() })
    .transform(({ type, params }) => ({
      type,
      params: params?.market_id === undefined ? null : { market_id: params.market_id },
    })),
  z.object({ type: z.literal("Orders"), params: walletParams }),
  z.object({ type: z.literal("Positions"), params: walletParams }),
  z
    .object({ type: z.literal("SystemStatus"), params: z.unknown().optional() })
    .transform(({ type }) => ({ type, params: null })),
  z
    .object({ type: z.literal("Candles"), params: candleParams })
    .transform(({ type, params: { market_id, interval, limit = CANDLES_USUAL } }) => ({
      type,
      params: { market_id, interval, limit },
    })),
  z
    .object({ type: z.literal("Heartbeat"), params: nullIsAbsent(heartbeatParams).nullish() })
    .transform(({ type, params }) => ({
      type,
      params: { interval_ms: params?.interval_ms ?? HEARTBEAT_INTERVAL_MS.usual },
    })),
  z.object({ type: z.literal("Private"), params: z.object({ channel: channelNameSchema }) }),
  z.object({ type: z.literal("Presence"), params: presenceParams }),
]);

/** A channel as a client names it, and since when it wants its messages. */
export const channelSchema = z
  .intersection(namedChannelSchema, z.object({ since: microsSchema.optional() }))
  .transform(({ since, ...named }): Channel => (since === undefined ? named : { ...named, since }));

/** A channel in canonical form, and since when its messages are wanted again, which is no part of it. */
export type Channel = z.output<typeof namedChannelSchema> & { readonly since?: number };
export type PresenceChannel = Extract<Channel, { readonly type: "Presence" }>;
/** A channel of market data, or of the server itself, that is open to everybody. */
export type PublicChannel = Exclude<
  Channel,
  PrivateOf<Channel> | NamedOf<Channel> | PresenceChannel
>;

export function isPresence(channel: Channel): channel is PresenceChannel {
  return channel.type === "Presence";
}

/** Whether it is told by audience, to everybody the same. */
export function isPublic(channel: Channel): channel is PublicChannel {
  return !isPrivate(channel) && !isNamed(channel) && !isPresence(channel);
}

/** A short text of any value; of an object no more than that it is one, as its own text may throw. */
function describe(value: unknown): string {
  if (typeof value === "object" && value !== null)
    return Array.isArray(value) ? "an array" : "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
