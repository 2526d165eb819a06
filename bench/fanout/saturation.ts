import { progress } from "../support/progress.js";
import type { Offer, ServerName } from "../support/server-under-test.js";
import { atLeast } from "../support/target-checks.js";
import { runTrial, type TrialResult } from "../support/trial.js";
import type { FanoutParameters } from "./parameters.js";
import { offerOf, ratio, type Section, trialOf, trialsInRounds } from "./section.js";
import { completeTable, medianOf, offerText, roundsTable, saturationTable } from "./tables.js";

/** Neighbouring rates in the search for the highest one differ by this factor. */
const RATE_STEP = 2 ** (1 / 8);

/** The most that each server delivers, and the most without conflation. */
export const measureSaturation: Section = async ({ servers, parameters, messageBytes }) => {
  const sweep = await sweepForSaturation(servers, parameters, messageBytes);
  console.log(`saturation, by what is offered\n${saturationTable(sweep)}\n`);
  const best = new Map(
    servers.map((name) => [name, bestOf(sweep.filter(({ server }) => server === name))]),
  );

  const saturated = await trialsInRounds(servers, parameters, (server) => ({
    offer: (best.get(server) as TrialResult).offer,
    burst: parameters.burst,
  }));
  console.log(
    `saturation, at the best of these (medians of ${parameters.rounds})\n${roundsTable(saturated)}\n`,
  );

  const complete = await forEachServer(servers, (server) =>
    highestCompleteRate(best.get(server) as TrialResult, parameters, messageBytes),
  );
  console.log(
    `highest rate delivered without conflation\n${completeTable(complete, parameters.connections)}\n`,
  );

  const delivered = (server: ServerName) =>
    medianOf(saturated, server, (result) => result.deliveredPerSecond);
  const times = (peer: ServerName) => ratio(delivered("marketcast"), delivered(peer));
  return {
    results: {
      sweep,
      saturated: Object.fromEntries(saturated),
      completeUpdatesPerSecond: Object.fromEntries(complete),
    },
    targets: [
      atLeast("saturation, × uWebSockets.js", times("uWebSockets.js"), 4),
      atLeast("saturation, × ws", times("ws"), 50),
    ],
  };
};

/** Measures one server after the other. */
async function forEachServer<T>(
  servers: readonly ServerName[],
  measure: (server: ServerName) => Promise<T>,
): Promise<Map<ServerName, T>> {
  const results = new Map<ServerName, T>();
  for (const server of servers) results.set(server, await measure(server));
  return results;
}

async function sweepForSaturation(
  servers: readonly ServerName[],
  parameters: FanoutParameters,
  messageBytes: number,
): Promise<TrialResult[]> {
  const results: TrialResult[] = [];
  for (const server of servers) {
    const offers: Offer[] =
      server === "marketcast"
        ? parameters.saturationRates.map((rate) => offerOf(parameters, messageBytes, rate))
        : parameters.saturationBatches[server].map((batchMax) => ({
            ...offerOf(parameters, messageBytes, 0),
            batchMax,
          }));
    for (const offer of offers) {
      progress(`${server}: saturation at ${offerText(server, offer)}`);
      results.push(await runTrial(trialOf(parameters, server, { offer })));
    }
  }
  return results;
}

/** Bisects, over rates {@link RATE_STEP} apart, for the highest one that is delivered in full. */
async function highestCompleteRate(
  saturated: TrialResult,
  parameters: FanoutParameters,
  messageBytes: number,
): Promise<number> {
  const top = (saturated.deliveredPerSecond / parameters.connections) * RATE_STEP;
  let low = 0;
  let high = top;
  for (let step = 0; step < parameters.bisections && high / Math.max(low, 1) > RATE_STEP; step++) {
    const rate = Math.max(1, Math.round((low + high) / 2));
    progress(`${saturated.server}: in full at ${rate}/s?`);
    const offer = offerOf(parameters, messageBytes, rate);
    const { complete } = await runTrial(trialOf(parameters, saturated.server, { offer }));
    if (complete) low = rate;
    else high = rate;
  }
  return low;
}

function bestOf(results: readonly TrialResult[]): TrialResult {
  return results.reduce((best, next) =>
    next.deliveredPerSecond > best.deliveredPerSecond ? next : best,
  );
}
