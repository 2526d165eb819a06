import { BATCH_MAX } from "../baselines/pacer.js";
import type { TargetCheck } from "../support/bench-options.js";
import { progress } from "../support/progress.js";
import type { Offer, ServerName } from "../support/server-under-test.js";
import { runTrial, type Trial, type TrialResult } from "../support/trial.js";
import type { FanoutParameters } from "./parameters.js";
import { offerText, type Rounds } from "./tables.js";

/** What every section measures with. */
export interface SectionContext {
  readonly servers: readonly ServerName[];
  readonly parameters: FanoutParameters;
  /** Size of Marketcast's own messages, which the baselines then send as well. */
  readonly messageBytes: number;
}

export interface SectionReport {
  readonly results: unknown;
  readonly targets: readonly TargetCheck[];
}

export type Section = (context: SectionContext) => Promise<SectionReport>;

type TrialRest = Pick<Trial, "offer" | "burst"> & Partial<Pick<Trial, "windowSeconds">>;

export function offerOf({ markets }: FanoutParameters, messageBytes: number, rate: number): Offer {
  return { rate, markets, batchMax: BATCH_MAX, messageBytes };
}

export function trialOf(parameters: FanoutParameters, server: ServerName, rest: TrialRest): Trial {
  const { connections, warmupSeconds, windowSeconds } = parameters;
  return { server, connections, warmupSeconds, windowSeconds, ...rest };
}

/** Measures every server in turn, round after round, so that drift of the machine hits all. */
export async function alternating<T>(
  servers: readonly ServerName[],
  rounds: number,
  measure: (server: ServerName, round: number) => Promise<T>,
): Promise<Map<ServerName, T[]>> {
  const results = new Map<ServerName, T[]>(servers.map((name) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const server of servers) results.get(server)?.push(await measure(server, round));
  }
  return results;
}

/** Runs a trial of every server in alternating rounds. */
export function trialsInRounds(
  servers: readonly ServerName[],
  parameters: FanoutParameters,
  rest: (server: ServerName) => TrialRest,
): Promise<Rounds> {
  const { rounds } = parameters;
  return alternating(servers, rounds, (server, round): Promise<TrialResult> => {
    const trial = trialOf(parameters, server, rest(server));
    progress(`${server}: ${offerText(server, trial.offer)}, round ${round} of ${rounds}`);
    return runTrial(trial);
  });
}

/** One figure by another, where there are both. */
export function ratio(of: number | undefined, to: number | undefined): number | undefined {
  return of === undefined || to === undefined ? undefined : of / to;
}
