import { join } from "node:path";
import { tsBefore } from "../shared/time-stretches.js";
import type { Environment } from "./environment.js";
import type { StoredState } from "./merged-batches.js";
import type { Retention } from "./pruning.js";
import { COUNTERS_KEY } from "./records.js";
import { damaged } from "./store-error.js";
import { DATA_FILE } from "./store-file.js";

/** What trees have of all that an engine is rebuilt from, in several turns of the event loop. */
export async function stateOfTrees(
  dir: string,
  environment: Environment,
  { clientOrderIdRetentionMs }: Retention,
): Promise<StoredState> {
  const { counters, clientOrderIds } = environment;
  const known = counters.get(COUNTERS_KEY);
  if (known === undefined) throw damaged(join(dir, DATA_FILE), "it has no counters");
  const { nextOrderId, nextTradeId, stretches, latestTs } = known;
  const openOrders = await environment.openOrders.all();
  const positions = await environment.positions.all();
  const finishedTs = latestFinishedTs(environment);
  // What finished before cannot be remembered any more, whatever the time is now.
  const since = tsBefore(stretches, finishedTs, clientOrderIdRetentionMs * 1000);
  return {
    openOrders,
    clientOrderIds: await clientOrderIds.all([Math.floor(Math.max(0, since))]),
    positions,
    totals: await environment.totals.all(),
    timers: (await environment.timers?.all()) ?? [],
    markets: (await environment.administered?.all()) ?? [],
    nextOrderId,
    nextTradeId,
    latestTs: positions.reduce(laterTs, openOrders.reduce(laterTs, Math.max(finishedTs, latestTs))),
    stretches,
    sessions: (await environment.sessions?.all()) ?? [],
  };
}

/** A state without the client order ids that cannot be remembered any more when its last one finished. */
export function withoutForgotten(
  state: StoredState,
  { clientOrderIdRetentionMs }: Retention,
): StoredState {
  const all = [...state.clientOrderIds];
  const latest = all.at(-1)?.finishedTs ?? 0;
  const since = tsBefore(state.stretches, latest, clientOrderIdRetentionMs * 1000);
  const first = all.findIndex(({ finishedTs }) => finishedTs >= since);
  return first <= 0 ? state : { ...state, clientOrderIds: all.slice(first) };
}

/** When the last of the finished orders that are stored finished. */
function latestFinishedTs({ finishTimes, clientOrderIds }: Environment): number {
  const lastFirst = { reverse: true, limit: 1 };
  const last = [...finishTimes.values(lastFirst), ...clientOrderIds.values(lastFirst)];
  return Math.max(0, ...last.map(({ finishedTs }) => finishedTs));
}

function laterTs(ts: number, { updatedTs }: { readonly updatedTs: number }): number {
  return Math.max(ts, updatedTs);
}
