import { ArchiveEnvironment } from "../../src/archive/archive-environment.js";
import { ArchiveWriter } from "../../src/archive/archive-writer.js";
import type { Side } from "../../src/shared/market.js";
import type { MarketId } from "../../src/shared/market-id.js";

export interface PastTrade {
  /** Microseconds since the Unix epoch. */
  readonly ts: number;
  /** In ticks. */
  readonly price: number;
  /** In lots. */
  readonly quantity: number;
  readonly takerSide: Side;
}

export interface PastMarket {
  readonly marketId: MarketId;
  readonly tickSize: number;
  readonly lotSize: number;
}

/**
 * Writes trades of one market into the archive of a data directory that no server has open, as those of an
 * earlier life of a server whose feed numbers none itself. They have the ids `past-1`, `past-2` and so on.
 */
export async function fillArchive(
  dataDir: string,
  market: PastMarket,
  trades: Iterable<PastTrade>,
): Promise<void> {
  const writer = new ArchiveWriter(new ArchiveEnvironment(`${dataDir}/archive`));
  writer.beginEpoch("past");
  const index = writer.market(market);
  let number = 0;
  for (const trade of trades) {
    number++;
    writer.append(index, { ...trade, number, seq: number, tradeId: `past-${number}` });
    if (number % 10_000 === 0) await writer.commit();
  }
  await writer.commit(true);
  await writer.close();
}
