import { DecimalScale } from "../shared/decimal-scale.js";
import type { MarketId } from "../shared/market-id.js";
import { type MarketScales, toContractOrder, toContractTrade } from "./contract-form.js";
import type { Environment } from "./environment.js";
import { damaged } from "./store-error.js";
import type { Table } from "./table.js";

/** Records that are read at a time. */
const CHUNK = 1000;

export const EXPORTED_KINDS = ["orders", "trades"] as const;
export type ExportedKind = (typeof EXPORTED_KINDS)[number];

/**
 * The orders and trades of a store as NDJSON, some lines at a time, by ascending id, in the contract's
 * names and numbers. No state is held between two chunks, so a slow reader does not make the file of a
 * running server grow; each order and trade is there once, as it was when its turn came. Throws
 * StoreError where a record is damaged.
 */
export function* exportLines(
  environment: Environment,
  dir: string,
  kinds: readonly ExportedKind[],
): Generator<string, void> {
  const { openOrders, finishedOrders, trades } = environment;
  const scales = scalesOf(environment, dir);
  if (kinds.includes("orders")) {
    yield* chunks(
      environment,
      [openOrders, finishedOrders],
      ({ orderId }) => orderId,
      (order) => ({
        type: "order",
        ...toContractOrder(order, scales(order.marketId)),
      }),
    );
  }
  if (kinds.includes("trades")) {
    yield* chunks(
      environment,
      [trades],
      ({ tradeId }) => tradeId,
      (trade) => ({
        type: "trade",
        ...toContractTrade(trade, scales(trade.marketId)),
        maker_order_id: String(trade.makerOrderId),
        taker_order_id: String(trade.takerOrderId),
        maker_wallet: trade.makerWallet,
        taker_wallet: trade.takerWallet,
      }),
    );
  }
}

function scalesOf({ markets }: Environment, dir: string): (marketId: MarketId) => MarketScales {
  const known = new Map<MarketId, MarketScales>();
  for (const { marketId, tickSize, lotSize } of markets.values()) {
    const [priceScale, quantityScale] = [DecimalScale.of(tickSize), DecimalScale.of(lotSize)];
    if (priceScale !== undefined && quantityScale !== undefined) {
      known.set(marketId, { priceScale, quantityScale });
    }
  }
  return (marketId) => {
    const scales = known.get(marketId);
    if (scales === undefined) throw damaged(dir, `market ${marketId} is not listed`);
    return scales;
  };
}

/**
 * The records of tables by ascending id. All tables are read in the same turn of the event loop, in
 * which lmdb keeps to one state, so that an order that moves from one to another is not lost.
 */
function* chunks<T>(
  environment: Environment,
  tables: readonly Table<number, T>[],
  idOf: (record: T) => number,
  toLine: (record: T) => object,
): Generator<string, void> {
  for (let start = 0; ; ) {
    const chunk = tables
      .flatMap((table) => [...table.values({ start, limit: CHUNK })])
      .sort((a, b) => idOf(a) - idOf(b))
      .slice(0, CHUNK);
    environment.endReads();
    const last = chunk.at(-1);
    if (last === undefined) return;
    yield chunk.map((record) => `${JSON.stringify(toLine(record))}\n`).join("");
    start = idOf(last) + 1;
  }
}
