// The benches: `npm run bench -- NAME [--short] [--json FILE]`.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runArchive } from "./archive.js";
import { runClient } from "./client.js";
import { runCodec } from "./codec.js";
import { runEngine } from "./engine.js";
import { runFanout } from "./fanout.js";
import { runHttp } from "./http.js";
import { runJournal } from "./journal.js";
import { runOrders } from "./orders.js";
import { runRelay } from "./relay.js";
import { runReplay } from "./replay.js";
import { runRequests } from "./requests.js";
import { runRing } from "./ring.js";
import { runStore } from "./store.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { describeMachine } from "./support/machine.js";

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<BenchReport>>> = {
  ring: runRing,
  codec: runCodec,
  engine: runEngine,
  http: runHttp,
  requests: runRequests,
  orders: runOrders,
  journal: runJournal,
  store: runStore,
  archive: runArchive,
  fanout: runFanout,
  replay: runReplay,
  relay: runRelay,
  client: runClient,
};

const HELP = `Usage: npm run bench -- NAME [--short] [--only SECTION] [--json FILE]

  fanout   deliveries/s, latency, CPU and memory, beside uWebSockets.js and plain ws
  orders   orders/s through the socket, acknowledged when they are on disk, beside a fan-out
  replay   trades/s that one client is sent of what it missed, latency of others, many that resume
  relay    bytes a record, what an edge adds to the delay and costs its origin, its orders
  http     the main thread and the public port, before and during a saturating fan-out
  requests shard time of each kind of request, at its largest and most awkward
  ring     records/s from one producer thread to two reader threads
  codec    ns per encoded and decoded message
  engine   commands/s and latency of the order book, beside a plain one, and of the engine
  journal  batches/s appended to the journal, each on disk, and what recovery reads
  store    changes/s that a store recovers, its start after a kill, a backup
  archive  trades/s archived and how far behind, pages of history
  client   size of the client library and of the page, messages/s received in Node, frames/s drawn
  all      each of them

  --short      a brief form for continuous integration; its figures mean little
  --only NAME  only this section of fanout, or of relay (market-data, orders, scaling)
  --json FILE  also write everything measured, with parameters and machine, to FILE`;

/** Runs the named benches and returns the process's exit code. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      short: { type: "boolean", default: false },
      only: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [name] = positionals;
  const names = name === "all" ? Object.keys(BENCHES) : positionals;
  if (names.length === 0 || names.some((each) => BENCHES[each] === undefined)) {
    console.error(HELP);
    return 2;
  }

  const machine = describeMachine();
  console.log(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB; ${machine.kernel}; Node ${machine.node}`,
  );
  const reports: Record<string, BenchReport> = {};
  for (const each of names) {
    const run = BENCHES[each] as (options: BenchOptions) => Promise<BenchReport>;
    console.log(`\n== ${each}${values.short ? " (short form)" : ""}\n`);
    reports[each] = await run({
      short: values.short,
      ...(values.only === undefined ? {} : { only: values.only }),
    });
    if (values.short)
      console.log("\nshort form: it shows that the bench runs, not how fast anything is");
    console.log(`\nparameters: ${JSON.stringify(reports[each].parameters)}`);
  }
  if (values.json !== undefined) {
    const measured = {
      at: new Date().toISOString(),
      short: values.short,
      machine,
      benches: reports,
    };
    writeFileSync(values.json, `${JSON.stringify(measured, undefined, 2)}\n`);
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
