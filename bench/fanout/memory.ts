import { bytesPerIdleConnection, type IdleMemory } from "../support/idle-memory.js";
import { progress } from "../support/progress.js";
import type { ServerName } from "../support/server-under-test.js";
import { median } from "../support/statistics.js";
import { atMost } from "../support/target-checks.js";
import { alternating, type Section } from "./section.js";
import { memoryTable } from "./tables.js";

const SUBSCRIPTIONS = ["bare", "subscribed"] as const;

/** Memory of an idle connection as an operator sees it: no collection is asked for. */
export const measureMemory: Section = async ({ servers, parameters }) => {
  const { idleConnections, rounds } = parameters;
  const weighed = servers.filter((name) => name !== "ws");
  const all: Record<string, Record<string, IdleMemory[]>> = {};
  const ownMedian = new Map<string, number>();
  for (const kind of SUBSCRIPTIONS) {
    const figures = await alternating(weighed, rounds, (server, round) => {
      progress(`${server}: ${idleConnections} idle, ${kind}, round ${round} of ${rounds}`);
      return bytesPerIdleConnection(server, idleConnections, kind === "subscribed");
    });
    console.log(`memory per connection, ${kind} (medians of ${rounds})\n${memoryTable(figures)}\n`);
    all[kind] = Object.fromEntries(figures);
    ownMedian.set(kind, medianBytes(figures, "marketcast"));
  }
  return {
    results: all,
    targets: [
      atMost("idle connection, bare, VmRSS", ownMedian.get("bare"), 7 * 1024, " B"),
      atMost("idle connection, subscribed, VmRSS", ownMedian.get("subscribed"), 10 * 1024, " B"),
    ],
  };
};

function medianBytes(figures: ReadonlyMap<ServerName, IdleMemory[]>, server: ServerName): number {
  return median((figures.get(server) ?? []).map((each) => each.bytesPerConnection));
}
