import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { Random } from "../../src/shared/random.js";
import type { RedisServer } from "./redis-server.js";
import { RelayNodes } from "./relay-nodes.js";
import type { Flags, ServerProcess } from "./server-process.js";
import { checkTold, readStoredState, type StoredState } from "./stored-state.js";
import { Told } from "./told.js";
import { temporaryDirectory } from "./trading.js";
import { FAST_EXCHANGE, TradingLoad } from "./trading-load.js";
import { until } from "./until.js";

/** How long an exchange trades before it is killed. */
const LIFE_MS_MAX = 1500;
/** A standby has a copy to take first. */
const HEIRS_MS_MAX = 60_000;
const FLAGS: Flags = { ...FAST_EXCHANGE, "sim-traders": 0, shards: 1, "relay-lease": 3000 };

interface StandbyFigures {
  readonly standbys: number;
  readonly heirs: number;
  readonly journal_records: number;
}

export async function standbyFigures(node: ServerProcess): Promise<StandbyFigures> {
  return ((await (await node.ops("/status")).json()) as { relay: StandbyFigures }).relay;
}

/** Resolves when an exchange says that so many standbys may take over. */
export function untilHeirs(origin: ServerProcess, count: number): Promise<unknown> {
  const isSo = async () => (await standbyFigures(origin)).heirs === count;
  return until(`${count} may take over`, isSo, HEIRS_MS_MAX);
}

export async function killProcess({ child }: ServerProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** What was lost with the takeovers of a run. */
interface Losses {
  /** Orders that were told, by takeover. */
  readonly orders: readonly number[];
  readonly told: number;
}

/**
 * Kills the exchange while orders are under way, has its standby take over, and so on, the former exchange being the
 * next standby. What clients were told is compared with the store of who has taken over: with `standby` nothing is
 * missing; with `none` what is missing is the end.
 */
export async function runTakeovers(
  redis: RedisServer,
  rounds: number,
  seed: number,
  ack: "none" | "standby",
): Promise<Losses> {
  const random = new Random(seed);
  const folder = await temporaryDirectory();
  const nodes = new RelayNodes(redis);
  const flags = (name: string): Flags => ({
    ...FLAGS,
    "relay-ack": ack,
    "data-dir": join(folder.path, name),
  });
  const lost: number[] = [];
  let orders = 0;
  let told = new Told();
  try {
    let names = ["a", "b"] as [string, string];
    for (let round = 0; round < rounds; round++) {
      const [first, second] = names;
      const origin = await nodes.origin(flags(first));
      const standby = await nodes.standby(flags(second));
      await untilHeirs(origin, 1);
      const load = await TradingLoad.start(origin.port, random, told);
      await load.during(sleep(random.below(LIFE_MS_MAX)));
      await load.answered();
      await killProcess(origin);
      await load.ended();
      await standby.logged(({ msg }) => msg === "ready");
      await killProcess(standby);
      const [before, after] = [
        await readStoredState(join(folder.path, first)),
        await readStoredState(join(folder.path, second)),
      ];
      orders += told.orders.size;
      if (ack === "standby") checkTold(told, after);
      else {
        checkTold(told, before);
        lost.push(checkEndIsMissing(before, after, told));
        told = new Told();
      }
      names = [second, first];
    }
    expect(orders).toBeGreaterThan(rounds * 10);
    return { orders: lost, told: orders };
  } finally {
    await nodes.dispose();
    await folder.remove();
  }
}

/** What a store has is the beginning of another's; returns how many orders that were told are missing. */
function checkEndIsMissing(whole: StoredState, begun: StoredState, told: Told): number {
  expect(begun.trades).toEqual(whole.trades.slice(0, begun.trades.length));
  const last = Math.max(0, ...[...begun.orders.keys()].map(Number));
  const ids = (of: StoredState) => [...of.orders.keys()].map(Number).filter((id) => id <= last);
  expect(ids(begun).sort()).toEqual(ids(whole).sort());
  const missing = [...told.orders.keys()].map(Number).filter((id) => !begun.orders.has(String(id)));
  expect(missing.every((id) => id > last)).toBe(true);
  return missing.length;
}
