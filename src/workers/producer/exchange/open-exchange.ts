import type { FeedSink } from "../../../feed/feed.js";
import { FeedConfigurationError } from "../../../feed/feed-configuration-error.js";
import { type ExchangeMarket, loadMarkets } from "../../../feed/markets-file.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { StoredMarket } from "../../../store/records.js";
import { Store } from "../../../store/store.js";
import { storeDirectory } from "../../../store/store-file.js";
import { Exchange, type ExchangeContext } from "./exchange.js";
import { ExchangeMarkets } from "./exchange-markets.js";

/**
 * Opens the store, lists the markets with what it holds of them, and makes the exchange.
 * Throws FeedConfigurationError and FeedInputError for markets that will not do, StoreError for a
 * store that cannot be opened.
 */
export async function openExchange(
  context: Omit<ExchangeContext, "store" | "markets">,
  sink: FeedSink,
): Promise<Exchange> {
  const { options } = context;
  const configured = await loadMarkets(options.marketsFile);
  const store = await Store.open(storeDirectory(options.dataDir), options);
  try {
    const known = new Map(store.markets().map((market) => [market.marketId, market]));
    for (const { definition } of configured) {
      checkSteps(definition, known.get(definition.marketId), options.marketsFile);
    }
    const all = [...configured, ...delisted(known, configured)];
    await store.putMarkets(all.map(({ definition }) => definition));

    const markets = new ExchangeMarkets(sink);
    const totals = new Map([...store.load().totals].map((one) => [one.marketId, one]));
    for (const market of all) markets.list(market, totals.get(market.definition.marketId));
    const exchange = new Exchange({ ...context, store, markets });
    await exchange.recover();
    return exchange;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Orders are kept in ticks and lots, so these may not change while the store is the same. */
function checkSteps(
  { marketId, tickSize, lotSize }: ExchangeMarket["definition"],
  known: StoredMarket | undefined,
  file: string | undefined,
): void {
  if (known === undefined) return;
  if (known.tickSize === tickSize && known.lotSize === lotSize) return;
  throw new FeedConfigurationError(
    "--markets-file",
    file,
    `market ${marketId} has tick size ${tickSize} and lot size ${lotSize}, but the data directory knows it with ` +
      `${known.tickSize} and ${known.lotSize}, in which its orders are kept; give the market another id, or use another --data-dir`,
  );
}

/** Markets that the configuration has no more: closed, so that what is open there can be cancelled. */
function delisted(
  known: ReadonlyMap<MarketId, StoredMarket>,
  configured: readonly ExchangeMarket[],
): ExchangeMarket[] {
  const kept = new Set(configured.map(({ definition }) => definition.marketId));
  return [...known.values()]
    .filter(({ marketId }) => !kept.has(marketId))
    .map((definition) => ({ definition, status: "Closed", maxPrice: undefined }));
}
