import { BATCH_MAX } from "./baselines/pacer.js";
import { type FanoutParameters, FULL, SHORT } from "./fanout-parameters.js";
import {
  completeTable,
  connectMs,
  medianOf,
  memoryTable,
  millions,
  offerText,
  type Rounds,
  roundsTable,
  saturationTable,
  steadyTable,
} from "./fanout-tables.js";
import type { BenchOptions, BenchReport, TargetCheck } from "./support/bench-options.js";
import { measureClientCeiling } from "./support/client-ceiling.js";
import { bytesPerIdleConnection, type IdleMemory } from "./support/idle-memory.js";
import { besideOtherWork, otherWorkText } from "./support/other-work.js";
import { peerVersions } from "./support/peers.js";
import { progress } from "./support/progress.js";
import {
  availableServers,
  type Offer,
  SERVER_NAMES,
  type ServerName,
} from "./support/server-under-test.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";
import { runTrial, type Trial, type TrialResult } from "./support/trial.js";

const UNIT_TEXT =
  "offered, conflated and delivered are messages a second over all connections: offered is what was " +
  "published times the connections, conflated is what was offered and a later message of its market " +
  "took the place of (of a baseline: what did not arrive), delivered is what the load client read";

/** The two steady rates at which latency is taken, in updates a second. */
const STEADY_RATES = [100, 1000] as const;
/** Neighbouring rates in the search for the highest one differ by this factor. */
const RATE_STEP = 2 ** (1 / 8);

/**
 * Measures the fan-out of Marketcast and, in the same run, of the baselines; a run beside other work
 * on the machine is called invalid, and its targets count as not measured.
 */
export async function runFanout(options: BenchOptions): Promise<BenchReport> {
  const peers = peerVersions();
  console.log(
    `peers: ${Object.entries(peers)
      .map(([name, version]) => `${name} ${version}`)
      .join("; ")}`,
  );
  console.log(`${UNIT_TEXT}\n`);
  const [report, otherWork] = await besideOtherWork(() => measureFanout(options));
  const targets = otherWork.valid ? report.targets : report.targets.map(withoutVerdict);
  console.log(`${formatTargets(targets)}\n\n${otherWorkText(otherWork)}`);
  return {
    parameters: { ...report.parameters, peers, otherWork },
    results: report.results,
    targets,
  };
}

function withoutVerdict(target: TargetCheck): TargetCheck {
  return { ...target, measured: `${target.measured} (invalid run)`, reached: undefined };
}

async function measureFanout({ short }: BenchOptions): Promise<BenchReport> {
  const parameters = short ? SHORT : FULL;
  const servers = availableServers();
  for (const name of SERVER_NAMES) {
    if (!servers.includes(name)) progress(`${name} is skipped: it has no binary for this platform`);
  }
  const messageBytes = await measureMessageBytes(parameters);
  const ceiling = await measureClientCeiling(messageBytes, parameters.windowSeconds);
  console.log(
    `messages of ${messageBytes} bytes; the load client alone takes in ${millions(ceiling)} M of them a second\n`,
  );

  const sweep = await sweepForSaturation(servers, parameters, messageBytes);
  console.log(`saturation, by what is offered\n${saturationTable(sweep)}\n`);
  const best = new Map(
    servers.map((name) => [name, bestOf(sweep.filter(({ server }) => server === name))]),
  );

  const saturated = await inRounds(servers, parameters, (server) => ({
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

  const steady: Rounds[] = [];
  for (const rate of STEADY_RATES) {
    const rounds = await inRounds(servers, parameters, () => ({
      offer: offerOf(parameters, messageBytes, rate),
      windowSeconds: parameters.steadyWindowSeconds,
    }));
    steady.push(rounds);
    const title = `${rate * parameters.connections} deliveries/s (medians of ${parameters.rounds})`;
    console.log(`${title}\n${steadyTable(rounds)}\n`);
  }

  const memory = await forEachServer(servers, (server) => {
    progress(`${server}: memory of ${parameters.idleConnections} idle connections`);
    return bytesPerIdleConnection(server, parameters.idleConnections, parameters.collections);
  });
  console.log(`memory per connection\n${memoryTable(memory)}\n`);

  const targets = checkTargets(saturated, steady, memory);
  return {
    parameters: { ...parameters, messageBytes, clientCeilingPerSecond: ceiling },
    results: {
      sweep,
      saturated: Object.fromEntries(saturated),
      completeUpdatesPerSecond: Object.fromEntries(complete),
      steady: steady.map((rounds) => Object.fromEntries(rounds)),
      memory: Object.fromEntries(memory),
    },
    targets,
  };
}

/** Measures one server after the other. */
async function forEachServer<T>(
  servers: readonly ServerName[],
  measure: (server: ServerName) => Promise<T>,
): Promise<Map<ServerName, T>> {
  const results = new Map<ServerName, T>();
  for (const server of servers) results.set(server, await measure(server));
  return results;
}

function offerOf({ markets }: FanoutParameters, messageBytes: number, rate: number): Offer {
  return { rate, markets, batchMax: BATCH_MAX, messageBytes };
}

type TrialRest = Pick<Trial, "offer" | "burst"> & Partial<Pick<Trial, "windowSeconds">>;

function trialOf(parameters: FanoutParameters, server: ServerName, rest: TrialRest): Trial {
  const { connections, warmupSeconds, windowSeconds } = parameters;
  return { server, connections, warmupSeconds, windowSeconds, ...rest };
}

/** The size of Marketcast's own messages, which the baselines then send as well. */
async function measureMessageBytes(parameters: FanoutParameters): Promise<number> {
  progress("marketcast: size of a message");
  const trial = trialOf(parameters, "marketcast", { offer: offerOf(parameters, 0, 1000) });
  const { messageBytes, sample } = await runTrial({ ...trial, connections: 1, windowSeconds: 1 });
  if (sample === undefined) throw new Error("marketcast sent no PriceUpdate");
  return Math.round(messageBytes);
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

/** Runs a trial of every server in turn, round after round, so that drift of the machine hits all. */
async function inRounds(
  servers: readonly ServerName[],
  parameters: FanoutParameters,
  rest: (server: ServerName) => TrialRest,
): Promise<Rounds> {
  const results = new Map<ServerName, TrialResult[]>(servers.map((name) => [name, []]));
  for (let round = 1; round <= parameters.rounds; round++) {
    for (const server of servers) {
      const trial = trialOf(parameters, server, rest(server));
      progress(
        `${server}: ${offerText(server, trial.offer)}, round ${round} of ${parameters.rounds}`,
      );
      results.get(server)?.push(await runTrial(trial));
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

function checkTargets(
  saturated: Rounds,
  [at50k, at500k]: readonly Rounds[],
  memory: ReadonlyMap<ServerName, IdleMemory>,
): TargetCheck[] {
  const delivered = (server: ServerName) =>
    medianOf(saturated, server, (result) => result.deliveredPerSecond);
  const cpu = (server: ServerName) =>
    medianOf(at50k, server, (result) => result.serverMicrosPerDelivery);
  const ratio = (of: number | undefined, to: number | undefined) =>
    of === undefined || to === undefined ? undefined : of / to;
  const own500k = at500k?.get("marketcast") ?? [];
  return [
    atLeast(
      "saturation, × uWebSockets.js",
      ratio(delivered("marketcast"), delivered("uWebSockets.js")),
      1.5,
    ),
    atLeast("saturation, × ws", ratio(delivered("marketcast"), delivered("ws")), 50),
    atMost("500 further clients during saturation", connectMs(saturated, "marketcast"), 150, " ms"),
    {
      what: "500 k deliveries/s without conflation",
      target: "every round",
      measured: `${own500k.filter(({ complete }) => complete).length} of ${own500k.length} rounds`,
      reached: own500k.every(({ complete }) => complete),
    },
    atMost(
      "CPU per delivery at 50 k/s, × uWebSockets.js",
      ratio(cpu("marketcast"), cpu("uWebSockets.js")),
      1.5,
    ),
    atMost("memory per idle connection", memory.get("marketcast")?.bytesPerConnection, 8192, " B"),
  ];
}
