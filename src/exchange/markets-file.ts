import { setImmediate as nextTurn } from "node:timers/promises";
import { z } from "zod";
import { FeedConfigurationError } from "../feed/feed-configuration-error.js";
import { readJsonOption } from "../feed/json-option.js";
import {
  firstIssue,
  marketFields,
  numberSchema,
  toMarketDefinition,
} from "../feed/market-schema.js";
import { DecimalScale } from "../shared/decimal-scale.js";
import type { JsonPath } from "../shared/exact-json.js";
import { MARKET_STATUSES } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import { nullIsAbsent } from "../shared/null-is-absent.js";
import { DEFAULT_MARKETS } from "./default-markets.js";
import type { ExchangeMarket } from "./exchange-market.js";

const FLAG = "--markets-file";

/** 0 is none, where there is one for all markets. */
const boundSchema = numberSchema.nonnegative().optional();

const entrySchema = nullIsAbsent(
  z.strictObject({
    ...marketFields,
    status: z.enum(MARKET_STATUSES),
    max_price: numberSchema.positive().optional(),
    price_band: boundSchema,
    max_position: boundSchema,
    max_order_value: boundSchema,
  }),
).refine(
  ({ max_price: maxPrice, tick_size: tickSize }) =>
    maxPrice === undefined || DecimalScale.of(tickSize)?.toExactCount(maxPrice) !== undefined,
  { path: ["max_price"], message: "must be an exact multiple of tick_size" },
);

/** Entries between two turns of the event loop: a producer shows that it lives. */
const ENTRIES_PER_TURN = 1000;

const fileSchema = z.array(z.unknown()).min(1, "must hold at least one market");

/**
 * Reads and checks the markets of a file, in its order; the shipped ones without a file. Throws
 * {@link FeedConfigurationError}, which names the file, the entry (counted from 1), the rule and the
 * place.
 */
export async function loadMarkets(file: string | undefined): Promise<readonly ExchangeMarket[]> {
  if (file === undefined) return DEFAULT_MARKETS;
  const { value, placeOf } = readJsonOption(FLAG, file, "must be a file that can be read");
  const fail = (rule: string, path: JsonPath) =>
    new FeedConfigurationError(FLAG, file, `${rule}, at ${placeOf(path)}`);
  const entries = fileSchema.safeParse(value);
  if (!entries.success) throw fail(`no list of markets: ${firstIssue(entries.error)}`, []);

  const entryOfId = new Map<MarketId, number>();
  const markets: ExchangeMarket[] = [];
  for (const [index, fieldsOfEntry] of entries.data.entries()) {
    const entry = index + 1;
    if (entry % ENTRIES_PER_TURN === 0) await nextTurn();
    const parsed = entrySchema.safeParse(fieldsOfEntry);
    if (!parsed.success) {
      const path = parsed.error.issues[0]?.path ?? [];
      throw fail(`entry ${entry}: ${firstIssue(parsed.error)}`, [index, ...path]);
    }
    const { status, max_price: maxPrice, price_band: priceBandPercent, ...rest } = parsed.data;
    const { max_position: maxPosition, max_order_value: maxOrderValue, ...fields } = rest;
    const earlier = entryOfId.get(fields.market_id);
    if (earlier !== undefined) {
      const rule = `entry ${entry}: market_id ${fields.market_id} is taken by entry ${earlier}`;
      throw fail(rule, [index, "market_id"]);
    }
    entryOfId.set(fields.market_id, entry);
    const bounds = { priceBandPercent, maxPosition, maxOrderValue };
    markets.push({ definition: toMarketDefinition(fields), status, maxPrice, bounds });
  }
  return markets;
}
