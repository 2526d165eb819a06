import { z } from "zod";
import { DecimalScale } from "../shared/decimal-scale.js";
import { LongNumber } from "../shared/exact-number.js";
import type { MarketDefinition } from "../shared/market.js";
import { nullIsAbsent } from "../shared/null-is-absent.js";
import { FeedConfigurationError } from "./feed-configuration-error.js";
import { readJsonOption } from "./json-option.js";
import { LEVEL1_QUOTES } from "./maps/level1-quotes.js";
import { firstIssue, marketFields, numberSchema, toMarketDefinition } from "./market-schema.js";

const FLAG = "--feed-map";
const SHIPPED_MAPS: ReadonlyMap<string, unknown> = new Map([["level1-quotes", LEVEL1_QUOTES]]);

/** A column by its header or key, or by its 0-based index in a file without a header. */
const columnSchema = z.union([z.string().min(1), z.int().min(0)]);
export type Column = z.infer<typeof columnSchema>;

const marketSchema = z.strictObject(marketFields);

const columnsSchema = nullIsAbsent(
  z.strictObject({
    market: columnSchema.optional(),
    bid_price: columnSchema.optional(),
    bid_size: columnSchema.optional(),
    ask_price: columnSchema.optional(),
    ask_size: columnSchema.optional(),
    trade_price: columnSchema.optional(),
    trade_size: columnSchema.optional(),
    trade_side: columnSchema.optional(),
  }),
);

/** May be beyond 2^53, as 10^18 is. */
const priceScaleSchema = z.preprocess(
  (value) => (value instanceof LongNumber ? (value.toExact() ?? value) : value),
  numberSchema.positive(),
);

const feedMapSchema = nullIsAbsent(
  z.strictObject({
    format: z.enum(["csv", "ndjson"]).optional(),
    delimiter: z.string().length(1).default(","),
    price_scale: priceScaleSchema.default(1),
    columns: columnsSchema,
    time: z
      .strictObject({ column: columnSchema, unit: z.enum(["s", "ms", "us", "ns"]) })
      .optional(),
    market: marketSchema.optional(),
    markets: z.record(z.string(), marketSchema).optional(),
  }),
).check((context) => {
  const problem = findProblem(context.value);
  if (problem !== undefined) {
    context.issues.push({ code: "custom", message: problem, input: context.value });
  }
});

type FeedMapFields = z.infer<typeof feedMapSchema>;
export type FeedMapColumns = z.infer<typeof columnsSchema>;
export type FileFormat = "csv" | "ndjson";

const TIME_UNIT_MS = { s: 1000, ms: 1, us: 1e-3, ns: 1e-6 } as const;

/** What the rows of a recorded file mean. */
export interface FeedMap {
  /** Undefined: by the file's name. */
  readonly format: FileFormat | undefined;
  readonly delimiter: string;
  /** A price is the raw value divided by this. */
  readonly priceScale: number;
  readonly columns: FeedMapColumns;
  readonly time: { readonly column: Column; readonly unitMs: number } | undefined;
  /** The one market of a file without a market column. */
  readonly market: MarketDefinition | undefined;
  /** The markets by their name in the market column. */
  readonly markets: ReadonlyMap<string, MarketDefinition>;
}

/** Reads and checks a shipped map, by name, or a file's. Throws {@link FeedConfigurationError}. */
export async function loadFeedMap(nameOrPath: string | undefined): Promise<FeedMap> {
  const fail = (rule: string) => new FeedConfigurationError(FLAG, nameOrPath, rule);
  const shipped = [...SHIPPED_MAPS.keys()].join(", ");
  if (nameOrPath === undefined) {
    throw fail(`replay needs a map: the path of one, or a shipped one (${shipped})`);
  }
  const shippedMap = SHIPPED_MAPS.get(nameOrPath);
  if (shippedMap !== undefined) return toFeedMap(feedMapSchema.parse(shippedMap));
  const unreadable = `must be a readable file or the name of a shipped map (${shipped})`;
  const { value, placeOf } = readJsonOption(FLAG, nameOrPath, unreadable);
  const parsed = feedMapSchema.safeParse(value);
  if (parsed.success) return toFeedMap(parsed.data);
  const place = placeOf(parsed.error.issues[0]?.path ?? []);
  throw fail(`no valid feed map: ${firstIssue(parsed.error)}, at ${place}`);
}

function toFeedMap(fields: FeedMapFields): FeedMap {
  const { format, delimiter, columns, time, market } = fields;
  const markets = Object.entries(fields.markets ?? {});
  return {
    format,
    delimiter,
    priceScale: fields.price_scale,
    columns,
    time: time && { column: time.column, unitMs: TIME_UNIT_MS[time.unit] },
    market: market && toMarketDefinition(market),
    markets: new Map(markets.map(([name, definition]) => [name, toMarketDefinition(definition)])),
  };
}

/** What a map that fits the schema breaks of the rules between its fields. */
function findProblem(map: FeedMapFields): string | undefined {
  const { columns } = map;
  const has = (name: keyof FeedMapColumns) => columns[name] !== undefined;
  if (has("bid_price") !== has("ask_price")) {
    return "columns: bid_price and ask_price go together";
  }
  if (has("bid_size") !== has("ask_size") || (has("bid_size") && !has("bid_price"))) {
    return "columns: bid_size and ask_size go together, and with the prices";
  }
  if (has("trade_price") !== has("trade_size") || (has("trade_side") && !has("trade_price"))) {
    return "columns: trade_price and trade_size go together, trade_side with them";
  }
  if (!has("bid_price") && !has("trade_price")) {
    return "columns: needs bid_price and ask_price, or trade_price and trade_size";
  }
  if (
    has("market") !== (map.markets !== undefined) ||
    has("market") === (map.market !== undefined)
  ) {
    return "needs either market, or markets and columns.market";
  }
  const kinds = new Set(
    [...Object.values(columns), map.time?.column].map((column) => typeof column),
  );
  if (kinds.has("string") && kinds.has("number")) {
    return "columns: either all by name or all by index";
  }
  for (const market of [map.market, ...Object.values(map.markets ?? {})]) {
    if (market === undefined || map.price_scale === 1) continue;
    if (DecimalScale.of(market.tick_size)?.times(map.price_scale) === undefined) {
      return `price_scale: ${map.price_scale} × the tick size ${market.tick_size} is not exact`;
    }
  }
  if (kinds.has("number") && map.format === "ndjson") return "columns: NDJSON has keys, no indexes";
  return undefined;
}
