import { z } from "zod";
import type { AdministeredMarket, Listing } from "../engine/market.js";
import { MARKET_STATUSES } from "../shared/market.js";
import { form } from "./record-form.js";
import { count, marketId, step, timestamp } from "./records.js";

const listing = z.tuple([z.string(), step, step, step.nullable()]);

/** What was set of a market while the exchange ran. */
export const administeredForm = form(
  z.tuple([marketId, z.enum(MARKET_STATUSES), count.nullable(), listing.nullable(), timestamp]),
  (market: AdministeredMarket) => String(market.marketId),
  (market) => [
    market.marketId,
    market.status,
    market.settlementPrice ?? null,
    market.listing === undefined ? null : toTuple(market.listing),
    market.updatedTs,
  ],
  (fields) => ({
    marketId: fields[0],
    status: fields[1],
    settlementPrice: fields[2] ?? undefined,
    listing: fields[3] === null ? undefined : toListing(fields[3]),
    updatedTs: fields[4],
  }),
);

function toTuple({ title, tickSize, lotSize, maxPrice }: Listing): z.infer<typeof listing> {
  return [title, tickSize, lotSize, maxPrice ?? null];
}

function toListing([title, tickSize, lotSize, maxPrice]: z.infer<typeof listing>): Listing {
  return { title, tickSize, lotSize, maxPrice: maxPrice ?? undefined };
}
