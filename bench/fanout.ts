import { measureFirstData, measureFreshServer, measureJoining } from "./fanout/connects.js";
import { measureFraming } from "./fanout/framing.js";
import { measureMemory } from "./fanout/memory.js";
import { type FanoutParameters, FULL, SHORT } from "./fanout/parameters.js";
import { measureRates } from "./fanout/rates.js";
import { measureSaturation } from "./fanout/saturation.js";
import { offerOf, type Section, trialOf } from "./fanout/section.js";
import { millions } from "./fanout/tables.js";
import { measureDisjoint, measureSlowReaders, measureVariants } from "./fanout/variants.js";
import type { BenchOptions, BenchReport, TargetCheck } from "./support/bench-options.js";
import { measureClientCeiling } from "./support/client-ceiling.js";
import { besideOtherWork, otherWorkText } from "./support/other-work.js";
import { peerVersions } from "./support/peers.js";
import { progress } from "./support/progress.js";
import { availableServers, SERVER_NAMES } from "./support/server-under-test.js";
import { formatTargets } from "./support/target-checks.js";
import { runTrial } from "./support/trial.js";

const SECTIONS: Readonly<Record<string, Section>> = {
  saturation: measureSaturation,
  rates: measureRates,
  joining: measureJoining,
  "fresh-server": measureFreshServer,
  "first-data": measureFirstData,
  memory: measureMemory,
  variants: measureVariants,
  framing: measureFraming,
  disjoint: measureDisjoint,
  "slow-readers": measureSlowReaders,
};

const UNIT_TEXT =
  "offered, conflated and delivered are messages a second over all connections: offered is what was " +
  "published times the connections, conflated is what was offered and a later message of its market " +
  "took the place of (of a baseline: what did not arrive), delivered is what the load client read";

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

async function measureFanout({ short, only }: BenchOptions): Promise<BenchReport> {
  const parameters = short ? SHORT : FULL;
  if (only !== undefined && SECTIONS[only] === undefined)
    throw new Error(`--only ${only}: the sections are ${Object.keys(SECTIONS).join(", ")}`);
  const servers = availableServers();
  for (const name of SERVER_NAMES) {
    if (!servers.includes(name)) progress(`${name} is skipped: it has no binary for this platform`);
  }
  const messageBytes = await measureMessageBytes(parameters);
  const ceiling = await measureClientCeiling(messageBytes, parameters.windowSeconds);
  console.log(
    `messages of ${messageBytes} bytes; the load client alone takes in ${millions(ceiling)} M of them a second\n`,
  );
  const results: Record<string, unknown> = {};
  const targets: TargetCheck[] = [];
  for (const [name, measure] of Object.entries(SECTIONS)) {
    if (only !== undefined && name !== only) continue;
    console.log(`-- ${name}\n`);
    const report = await measure({ servers, parameters, messageBytes });
    results[name] = report.results;
    targets.push(...report.targets);
  }
  return {
    parameters: { ...parameters, messageBytes, clientCeilingPerSecond: ceiling },
    results,
    targets,
  };
}

/** The size of Marketcast's own messages, which the baselines then send as well. */
async function measureMessageBytes(parameters: FanoutParameters): Promise<number> {
  progress("marketcast: size of a message");
  const trial = trialOf(parameters, "marketcast", { offer: offerOf(parameters, 0, 1000) });
  const { messageBytes, sample } = await runTrial({ ...trial, connections: 1, windowSeconds: 1 });
  if (sample === undefined) throw new Error("marketcast sent no PriceUpdate");
  return Math.round(messageBytes);
}
