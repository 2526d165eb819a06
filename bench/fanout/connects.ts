import { BurstClient, type BurstResult } from "../support/burst.js";
import { LoadClient } from "../support/load-client-process.js";
import { progress } from "../support/progress.js";
import { type ServerName, startServer } from "../support/server-under-test.js";
import { median } from "../support/statistics.js";
import { formatTable } from "../support/table.js";
import { atMost } from "../support/target-checks.js";
import { alternating, offerOf, ratio, type Section, trialsInRounds } from "./section.js";
import { connectMs, roundsTable } from "./tables.js";

/** With 500 connections, 2 M deliveries a second. */
const FAN_OUT_RATE = 4000;
const FIRST_DATA_MARKETS = 50;
/** So low that with thousands of clients the fan-out is not what is measured. */
const FIRST_DATA_RATE = 1;

/** Further clients during a fan-out that is the same for every server. */
export const measureJoining: Section = async ({ servers, parameters, messageBytes }) => {
  const rounds = await trialsInRounds(servers, parameters, () => ({
    offer: offerOf(parameters, messageBytes, FAN_OUT_RATE),
    burst: parameters.burst,
  }));
  console.log(
    `further clients while ${FAN_OUT_RATE} updates/s are offered (medians of ${parameters.rounds})\n${roundsTable(rounds)}\n`,
  );
  const times = ratio(connectMs(rounds, "marketcast"), connectMs(rounds, "uWebSockets.js"));
  return {
    results: Object.fromEntries(rounds),
    targets: [atMost("500 further clients at 2 M/s offered, × uWebSockets.js", times, 1)],
  };
};

/** Clients that connect at once to a server that has just started and has nothing to send. */
export const measureFreshServer: Section = async ({ servers, parameters, messageBytes }) => {
  const rounds = await alternating(servers, parameters.rounds, async (server, round) => {
    progress(`${server}: clients of a fresh server, round ${round} of ${parameters.rounds}`);
    const client = await BurstClient.start({ ...parameters.burst, repeats: 1 });
    const offer = { ...offerOf(parameters, messageBytes, 1), markets: FIRST_DATA_MARKETS };
    const running = await startServer(server, offer);
    try {
      return (await client.connect(running))[0] as BurstResult;
    } finally {
      await client.stop();
      await running.stop();
    }
  });
  const medians = new Map([...rounds].map(([server, bursts]) => [server, medianMs(bursts)]));
  console.log(
    `${parameters.burst.count} clients of a fresh, idle server\n${timesTable(medians)}\n`,
  );
  const times = ratio(medians.get("marketcast"), medians.get("uWebSockets.js"));
  return {
    results: Object.fromEntries(rounds),
    targets: [atMost("500 clients of a fresh server, × uWebSockets.js", times, 2)],
  };
};

/** Many clients that connect, subscribe to 50 markets and wait for their first data. */
export const measureFirstData: Section = async ({ parameters, messageBytes }) => {
  const { rounds, firstDataClients: count } = parameters;
  const offer = {
    ...offerOf(parameters, messageBytes, FIRST_DATA_RATE),
    markets: FIRST_DATA_MARKETS,
  };
  const bursts = await alternating(["marketcast"], rounds, async (name, round) => {
    progress(`${name}: first data of ${count} clients, round ${round} of ${rounds}`);
    const server = await startServer(name, offer);
    const client = LoadClient.start();
    try {
      const { port, path, subprotocol, subscribe } = server;
      const { opened, elapsedMs } = await client.open({
        port,
        path,
        ...(subprotocol === undefined ? {} : { subprotocol }),
        ...(subscribe === undefined ? {} : { subscribe }),
        count,
        until: "first-push",
        timeoutMs: parameters.burst.timeoutMs,
      });
      return { asked: count, opened, elapsedMs };
    } finally {
      await client.stop();
      await server.stop();
    }
  });
  const medians = new Map([...bursts].map(([server, each]) => [server, medianMs(each)]));
  console.log(
    `${count} clients connect, subscribe to ${FIRST_DATA_MARKETS} markets and have first data\n${timesTable(medians)}\n`,
  );
  return {
    results: Object.fromEntries(bursts),
    targets: [atMost(`first data of ${count} clients`, medians.get("marketcast"), 1500, " ms")],
  };
};

/** The median time; undefined where a burst was not done in time. */
function medianMs(
  bursts: readonly Pick<BurstResult, "asked" | "opened" | "elapsedMs">[],
): number | undefined {
  return bursts.some(({ asked, opened }) => opened < asked)
    ? undefined
    : median(bursts.map(({ elapsedMs }) => elapsedMs));
}

function timesTable(medians: ReadonlyMap<ServerName, number | undefined>): string {
  return formatTable(
    ["server", "median ms"],
    [...medians].map(([server, ms]) => [server, ms === undefined ? "not in time" : Math.round(ms)]),
  );
}
