import { setImmediate as nextTurn } from "node:timers/promises";
import { type AdministeredMarket, statusOf } from "../engine/market.js";
import type { MarketTotals, Trade } from "../engine/order.js";
import { FeedInputError } from "../feed/feed.js";
import { FeedConfigurationError } from "../feed/feed-configuration-error.js";
import type { Publisher } from "../market-data/publisher.js";
import type { Logger } from "../shared/log.js";
import type { MarketId } from "../shared/market-id.js";
import { textFault } from "../shared/text.js";
import type { StoredState } from "../store/merged-batches.js";
import type { StoredMarket } from "../store/records.js";
import { Store } from "../store/store.js";
import { storeDirectory } from "../store/store-file.js";
import { TOLD_AFTER_COMMIT_MICROS } from "./commits.js";
import { Exchange, type ExchangeContext } from "./exchange.js";
import { type ExchangeMarket, listedMarket } from "./exchange-market.js";
import { ExchangeMarkets } from "./exchange-markets.js";
import { loadMarkets } from "./markets-file.js";

/** Markets that are listed in one turn of the event loop. */
const LISTED_PER_TURN = 1000;

/** Markets that a line of the log names. */
const NAMED_MARKETS_MAX = 20;

const BOUNDED_BY: Partial<Record<FeedInputError["code"], string>> = {
  TABLE_FULL: "--max-markets",
  TITLE_TOO_LONG: "--max-title-bytes",
};

interface OpenExchangeContext extends Omit<ExchangeContext, "store" | "markets" | "untold"> {
  /** What is done before anything else with a store that standbys follow, and what is kept of its journal, in bytes. */
  readonly followed?: {
    readonly begin: (store: Store) => Promise<void>;
    readonly keptJournalBytes: number;
  };
  /** The last trade that an earlier producer of this run has told; undefined where there was none. */
  readonly lastTrade?: number | undefined;
}

/**
 * Opens the store, lists the markets with what it holds of them, and makes the exchange.
 * Throws FeedConfigurationError for markets that will not do, StoreError for a
 * store that cannot be opened.
 */
export async function openExchange(
  context: OpenExchangeContext,
  sink: Publisher,
): Promise<Exchange> {
  const { options } = context;
  const configured = await loadMarkets(options.marketsFile);
  const keptJournalBytes = context.followed?.keptJournalBytes ?? 0;
  const store = await Store.open(storeDirectory(options.dataDir), { ...options, keptJournalBytes });
  try {
    await context.followed?.begin(store);
    if (store.cutOff !== undefined)
      context.log.warn(store.cutOff, "a batch was cut short while it was written, and is cut off");
    const state = await store.load();
    const administered = new Map([...state.markets].map((market) => [market.marketId, market]));
    const known = knownMarkets(await store.markets(), administered);
    for (const { definition } of configured) {
      checkSteps(definition, known.get(definition.marketId), options.marketsFile);
    }
    const all = [...configured, ...listedBefore(administered, configured)];
    all.push(...delisted(known, all));
    sayWhereOthers(all, administered, context.log);
    await beginTime(context, store, state);
    const { lastTrade = state.nextTradeId - 1 } = context;
    sink.continueTrades(lastTrade);
    const untold = store.tradesAfter(lastTrade);
    const stored = state.nextTradeId - 1 - lastTrade;
    if (untold.length < stored)
      context.log.error({ lastTrade, stored, read: untold.length }, "trades cannot be published");
    // What is told before them is no later than they are.
    if (untold[0] !== undefined) context.position.hold(untold[0].ts);
    const markets = new ExchangeMarkets(sink, options);
    const totals = totalsBefore(untold, state.totals);
    for (const [index, market] of all.entries()) {
      const before = administered.get(market.definition.marketId);
      list(markets, market, totals, before, options.marketsFile);
      if (index % LISTED_PER_TURN === 0) await nextTurn();
    }
    // Those that can be listed, and on a restart none, as a full disk must not keep it from starting.
    const changed = all.filter(({ definition: { marketId, title } }) => {
      return known.get(marketId)?.title !== title;
    });
    if (changed.length > 0) await store.putMarkets(changed.map(({ definition }) => definition));
    const exchange = await Exchange.open({ ...context, store, markets, untold }, state);
    await exchange.recover();
    return exchange;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Has time go on behind all that was told before. How far it may be told without a commit of the exchange
 * is stored first; where nothing can be stored, it stands still at its beginning until something can.
 */
async function beginTime(
  { position, log, standbyAcks }: OpenExchangeContext,
  store: Store,
  { latestTs, nextOrderId, nextTradeId, stretches }: StoredState,
): Promise<void> {
  position.beginBehind(latestTs);
  position.limit = latestTs + 1;
  const limit = position.now() + TOLD_AFTER_COMMIT_MICROS;
  const nothing = { orders: [], trades: [], positions: [], totals: [], timers: [], markets: [] };
  const changes = { ...nothing, nextOrderId, nextTradeId };
  try {
    await store.commit(changes, stretches, limit);
    standbyAcks?.store(store.last);
    position.limit = limit;
  } catch (error) {
    log.warn({ err: error }, "the store cannot be written; ts stands still until it can");
  }
}

/** What trading had made of the markets before some trades, which will be published again. */
function totalsBefore(
  trades: readonly Trade[],
  totals: Iterable<MarketTotals>,
): ReadonlyMap<MarketId, MarketTotals> {
  const before = new Map([...totals].map((one) => [one.marketId, one]));
  for (const { marketId, quantity } of trades) {
    const one = before.get(marketId);
    if (one !== undefined) before.set(marketId, { ...one, volume: one.volume - quantity });
  }
  return before;
}

/** Lists a market; what is wrong with it is said with the flag that bounds it. */
function list(
  markets: ExchangeMarkets,
  market: ExchangeMarket,
  totals: ReadonlyMap<MarketId, MarketTotals>,
  administered: AdministeredMarket | undefined,
  file: string | undefined,
): void {
  try {
    markets.list(market, totals.get(market.definition.marketId), administered);
  } catch (error) {
    if (!(error instanceof FeedInputError)) throw error;
    const flag = BOUNDED_BY[error.code];
    const remedy = flag === undefined ? "" : `; see ${flag}`;
    throw new FeedConfigurationError("--markets-file", file, `${error.message}${remedy}`);
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

/** What is stored of markets, with those that are in the journal alone. */
function knownMarkets(
  stored: readonly StoredMarket[],
  administered: ReadonlyMap<MarketId, AdministeredMarket>,
): ReadonlyMap<MarketId, StoredMarket> {
  const known = new Map(stored.map((market) => [market.marketId, market]));
  for (const { marketId, listing } of administered.values())
    if (listing !== undefined && !known.has(marketId))
      known.set(marketId, { marketId, ...listing });
  return known;
}

/** Markets that were listed while an exchange ran, and that the configuration does not have. */
function listedBefore(
  administered: ReadonlyMap<MarketId, AdministeredMarket>,
  configured: readonly ExchangeMarket[],
): ExchangeMarket[] {
  const kept = new Set(configured.map(({ definition }) => definition.marketId));
  return [...administered.values()].flatMap(({ marketId, listing }) =>
    listing === undefined || kept.has(marketId) ? [] : listedMarket(marketId, listing),
  );
}

/** Whoever reads the markets file finds in the log which markets are not as it says. */
function sayWhereOthers(
  markets: readonly ExchangeMarket[],
  administered: ReadonlyMap<MarketId, AdministeredMarket>,
  log: Logger,
): void {
  const others = markets.filter(({ definition: { marketId }, status }) => {
    const before = administered.get(marketId);
    return before?.listing === undefined && statusOf(status, before) !== status;
  });
  const named = others.slice(0, NAMED_MARKETS_MAX).map(({ definition: { marketId } }) => marketId);
  if (others.length > 0)
    log.info(
      { markets: others.length, market_ids: named },
      "markets have the status that was set while the exchange ran, not that of the markets file",
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
    .map((market) => ({
      definition: { ...market, title: printable(market) },
      status: "Closed",
      maxPrice: undefined,
    }));
}

/** The title, which an earlier version may have stored with what is not taken now. */
function printable({ marketId, title }: StoredMarket): string {
  return textFault("line", title) === undefined ? title : `market ${marketId}`;
}
