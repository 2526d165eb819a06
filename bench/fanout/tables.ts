import type { BurstResult } from "../support/burst.js";
import type { IdleMemory } from "../support/idle-memory.js";
import type { Offer, ServerName } from "../support/server-under-test.js";
import { median } from "../support/statistics.js";
import { formatTable } from "../support/table.js";
import type { TrialResult } from "../support/trial.js";

/** The results of each server, one a round. */
export type Rounds = ReadonlyMap<ServerName, readonly TrialResult[]>;

/** The median over a server's rounds of a figure; undefined where a round has none. */
export function medianOf(
  rounds: Rounds | undefined,
  server: ServerName,
  figure: (result: TrialResult) => number | undefined,
): number | undefined {
  const values = (rounds?.get(server) ?? []).map(figure);
  return values.length === 0 || values.includes(undefined) ? undefined : median(values as number[]);
}

/** The median of a figure over results; undefined where there are none. */
export function medianFigure(
  results: readonly TrialResult[] | undefined,
  figure: (result: TrialResult) => number,
): number | undefined {
  return results === undefined || results.length === 0 ? undefined : median(results.map(figure));
}

/** Time that a burst took; undefined where it was not done in time. */
function burstMs(burst: BurstResult | undefined): number | undefined {
  return burst !== undefined && burst.opened === burst.asked ? burst.elapsedMs : undefined;
}

/** A count in millions. */
export const millions = (count: number): string => (count / 1e6).toFixed(count < 1e6 ? 3 : 2);

export function offerText(server: ServerName, { rate, batchMax }: Offer): string {
  return server !== "marketcast" && rate === 0 ? `${batchMax} a turn` : `${rate}/s`;
}

export function saturationTable(results: readonly TrialResult[]): string {
  return formatTable(
    [
      "server",
      "offered",
      "M/s offered",
      "conflated",
      "delivered",
      "laps",
      "CPU server",
      "CPU client",
      "client idle",
      "lost",
    ],
    results.map((result) => [
      result.server,
      offerText(result.server, result.offer),
      millions(result.offeredPerSecond),
      millions(result.conflatedPerSecond),
      millions(result.deliveredPerSecond),
      result.ringLaps,
      result.serverCores.toFixed(2),
      result.clientCores.toFixed(2),
      `${Math.round(result.clientIdle * 100)} %`,
      lostText(result),
    ]),
  );
}

function lostText({ lost }: TrialResult): string {
  const reasons = Object.entries(lost);
  return reasons.length === 0
    ? "0"
    : reasons.map(([reason, count]) => `${count} × ${reason}`).join(", ");
}

export function roundsTable(rounds: Rounds): string {
  const figure = (server: ServerName, of: (result: TrialResult) => number) =>
    medianOf(rounds, server, of) ?? 0;
  return formatTable(
    [
      "server",
      "offered",
      "M/s offered",
      "conflated",
      "delivered",
      "500 more",
      "and first price",
      "client alone",
    ],
    [...rounds].map(([server, results]) => [
      server,
      offerText(server, (results[0] as TrialResult).offer),
      millions(figure(server, (result) => result.offeredPerSecond)),
      millions(figure(server, (result) => result.conflatedPerSecond)),
      millions(figure(server, (result) => result.deliveredPerSecond)),
      burstText(results.flatMap(({ connected }) => connected)),
      burstText(results.map(({ joined }) => joined)),
      `${Math.round(figure(server, ({ joined }) => joined?.clientAloneMs ?? 0))} ms`,
    ]),
  );
}

/** The median time of a server's bursts, over all rounds; undefined where one was not done in time. */
export function connectMs(rounds: Rounds, server: ServerName): number | undefined {
  const times = (rounds.get(server) ?? []).flatMap(({ connected }) => connected).map(burstMs);
  return times.length === 0 || times.includes(undefined) ? undefined : median(times as number[]);
}

/** The median time of bursts, or how far one got that was not done in time. */
function burstText(bursts: readonly (BurstResult | undefined)[]): string | undefined {
  const late = bursts.find((burst) => burstMs(burst) === undefined);
  if (late !== undefined) return `> ${Math.round(late.elapsedMs / 1000)} s (${late.opened})`;
  const times = bursts.map(burstMs).filter((time) => time !== undefined);
  return times.length === 0 ? undefined : `${Math.round(median(times))} ms`;
}

export function completeTable(
  complete: ReadonlyMap<ServerName, number>,
  connections: number,
): string {
  return formatTable(
    ["server", "updates/s", "M deliveries/s"],
    [...complete].map(([server, rate]) => [server, rate, millions(rate * connections)]),
  );
}

export function steadyTable(rounds: Rounds): string {
  return formatTable(
    [
      "server",
      "delivered",
      "p50 ms",
      "p99 ms",
      "p99.9 ms",
      "CPU µs/delivery",
      "CPU server",
      "in full",
    ],
    [...rounds].map(([server, results]) => {
      const figure = (of: (result: TrialResult) => number, digits: number) =>
        (medianOf(rounds, server, of) ?? 0).toFixed(digits);
      const isComplete = results.every(({ complete }) => complete);
      const latency = (of: (result: TrialResult) => number) =>
        isComplete ? figure(of, 2) : undefined;
      return [
        server,
        figure((result) => result.deliveredPerSecond, 0),
        latency((result) => result.latency.p50 / 1000),
        latency((result) => result.latency.p99 / 1000),
        latency((result) => result.latency.p999 / 1000),
        figure((result) => result.serverMicrosPerDelivery, 2),
        figure((result) => result.serverCores, 2),
        isComplete ? "yes" : "not reached",
      ];
    }),
  );
}

export function memoryTable(memory: ReadonlyMap<ServerName, readonly IdleMemory[]>): string {
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  return formatTable(
    ["server", "connections", "bytes each", "MiB before", "MiB with them"],
    [...memory].map(([server, figures]) => [
      server,
      figures[0]?.connections,
      Math.round(median(figures.map((each) => each.bytesPerConnection))),
      mib(median(figures.map((each) => each.bytesBefore))),
      mib(median(figures.map((each) => each.bytesWith))),
    ]),
  );
}

/** Latencies are of what arrived, whether or not all did: a server that conflates delivers the latest. */
export function variantsTable(variants: ReadonlyMap<string, readonly TrialResult[]>): string {
  return formatTable(
    ["", "offered", "delivered", "p50 ms", "p99 ms", "CPU µs/delivery", "CPU server", "bytes each"],
    [...variants].map(([name, results]) => {
      const figure = (of: (result: TrialResult) => number, digits: number) =>
        medianFigure(results, of)?.toFixed(digits);
      return [
        name,
        figure((result) => result.offeredPerSecond, 0),
        figure((result) => result.deliveredPerSecond, 0),
        figure((result) => result.latency.p50 / 1000, 2),
        figure((result) => result.latency.p99 / 1000, 2),
        figure((result) => result.serverMicrosPerDelivery, 2),
        figure((result) => result.serverCores, 2),
        figure((result) => result.messageBytes, 0),
      ];
    }),
  );
}
