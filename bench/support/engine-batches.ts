import type { Command } from "../../src/engine/commands.js";
import { Engine } from "../../src/engine/engine.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";
import type { StoredBatch } from "../../src/store/stored-batch.js";
import { bookStream, engineCommands, MARKET_ID } from "../engine-stream.js";

/** Commands of a batch, and orders in the book. */
export const BATCH_COMMANDS = 64;
export const DEPTH = 10_000;
const BEGIN_TS = 1_790_000_000_000_000;

/** What an engine changes, batch by batch, of commands on a book that stays as deep. */
export function engineBatches(commands: number): StoredBatch[] {
  const all = engineCommands(bookStream(1, DEPTH, commands));
  const engine = new Engine({
    maxOpenOrders: Infinity,
    maxClientOrderIds: Infinity,
    maxAllClientOrderIds: Infinity,
    clientOrderIdRetentionMicros: 0,
  });
  engine.list({
    marketId: MARKET_ID,
    status: "Active",
    priceScale: DecimalScale.of(0.001) as DecimalScale,
    quantityScale: DecimalScale.of(1) as DecimalScale,
  });
  const batches: StoredBatch[] = [];
  for (let at = 0; at < all.length; at += BATCH_COMMANDS) {
    for (let index = at; index < Math.min(at + BATCH_COMMANDS, all.length); index++)
      engine.execute(all[index] as Command, BEGIN_TS + index * 50);
    batches.push({
      changes: engine.takeChanges(),
      stretches: [],
      latestTs: BEGIN_TS + at * 50,
      sessions: { put: [], removed: [] },
    });
  }
  return batches;
}

/** How many records a batch has. */
export function changesIn({ orders, trades, positions, totals }: StoredBatch["changes"]): number {
  return orders.length + trades.length + positions.length + totals.length;
}
