import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Random } from "../../src/shared/random.js";
import { untilReady } from "../support/figures.js";
import { drawSeed } from "../support/seeds.js";
import { startServerProcess } from "../support/server-process.js";
import { checkTold, readStoredState } from "../support/stored-state.js";
import { Told } from "../support/told.js";
import { temporaryDirectory } from "../support/trading.js";
import { FAST_EXCHANGE, TradingLoad } from "../support/trading-load.js";
import { until } from "../support/until.js";

const KILLS = 20;
/** Between a producer that is up and its end. */
const LIFE_MS_MAX = 1500;
/** A producer that keeps dying waits some seconds before it starts. */
const READY_MS_MAX = 30_000;
const SEED = drawSeed("long producer kills");

test(`producer kills - the process survives ${KILLS} of them under orders, every order gets an answer, and what was acknowledged is there once (seed ${SEED})`, async () => {
  const random = new Random(SEED);
  const told = new Told();
  const folder = await temporaryDirectory();
  const server = await startServerProcess(
    { ...FAST_EXCHANGE, shards: 2, "data-dir": folder.path, "sim-traders": 0 },
    { threadEnds: true },
  );
  try {
    const load = await TradingLoad.start(server.port, random, told);
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(random.below(LIFE_MS_MAX));
      server.command({ restartProducer: true });
      const restarts = () =>
        server.log.filter(({ msg }) => msg === "the producer is restarted").length;
      await load.during(until("the kill", () => restarts() > kill));
      await load.during(untilReady(server, READY_MS_MAX));
    }
    await load.stop();
    expect(await server.stop()).toBe(0);
    checkTold(told, await readStoredState(folder.path));
    expect(told.orders.size).toBeGreaterThan(KILLS * 10);
  } finally {
    await server.dispose();
    await folder.remove();
  }
});
