import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  EVERY_NAME,
  filesBelow,
  linesOf,
  readSources,
  resolvePath,
} from "./support/source-facts.js";

/*
 * What the house asks of its sources, as far as a program can tell. Where something may differ, it
 * is in a list here, with the reason; a line that nothing needs fails, too.
 */

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;

/** Files that may be longer. */
const LONG_FILES: Readonly<Record<string, string>> = {
  "src/contract/protobuf/protobuf-messages.ts": "one list of tables, every message of the contract",
  "src/contract/messages.ts": "one list of types, every message of the contract",
  "src/workers/shard/fan-out/fan-out.ts":
    "a round from the mirror's changes to the sockets, and who is in it",
  "src/workers/shard/fan-out/first-data-sender.ts":
    "the turns of all that waits, in which the order matters",
  "src/workers/shard/connections/connection.ts": "a connection's state and all that moves it",
  "src/workers/shard/requests/request-handler.ts": "one method for each type of request",
  "src/config/config-fields.ts": "one list of options, which is read and searched as one",
};

/** Exports that only tests import, or only the declarations that the compiler writes. */
const FOR_TESTS: Readonly<Record<string, string>> = {
  "src/codec/value-bounds.ts FIELDS_MAX": "a bound that tests reach for",
  "src/exchange/exchange-time.ts StoredTime": "the type of an argument that tests make",
  "src/exchange/exchange.ts ExchangeStore": "the type of an argument that tests make",
  "src/exchange/sessions.ts SessionPlace": "the type of an argument that tests make",
  "src/transport/native-sink.ts SendAtOnce": "the type of an argument that tests make",
  "src/engine/admission.ts TradableMarket": "the type of an argument that tests make",
  "src/engine/engine.ts EngineLimits": "the type of an argument that tests make",
  "src/feed/module-feed.ts resolveFeedModule": "a step of its own, tested by itself",
  "src/main/acceptor.ts AcceptorOptions": "the type of an argument that tests make",
  "src/main/ops-server.ts OpsOptions": "the type of an argument that tests make",
  "src/market-data/position-clock.ts Clocks": "the type of an argument that tests make",
  "src/ring/layout.ts BATCH_BYTES_MAX": "a bound that tests reach for",
  "src/ring/layout.ts RING_CAPACITY_MAX": "a bound that tests reach for",
  "src/ring/layout.ts RING_CAPACITY_MIN": "a bound that tests reach for",
  "src/shared/time-stretches.ts tsAt": "a step of its own, tested by itself",
  "src/sim/market-maker.ts MarketMakerOptions": "the type of an argument that tests make",
  "src/sim/simulated-traders.ts SimMarket": "the type of an argument that tests make",
  "src/store/records.ts FinishedOrder": "named in declarations of other files",
  "src/workers/shard/http/handshake.ts HandshakeOptions": "the type of an argument that tests make",
  "src/workers/shard/requests/request-handler.ts RequestOptions":
    "the type of an argument that tests make",
};

/** What programs of others import, and what is started by its path. */
const ENTRIES = [
  "src/main/package-entry.ts",
  "src/feed/feed.ts",
  "src/client/node.ts",
  "src/client/browser.ts",
  "src/client/exports.ts",
  "src/workers/shard/shard-worker.ts",
  "src/workers/producer/producer-worker.ts",
  "src/workers/archivist/archivist-worker.ts",
  "src/workers/relay/relay-worker.ts",
  "src/workers/archivist/stored-trades-process.ts",
];

/** Paths below src; only relative imports are looked at. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

type Allowed = (imported: Edge) => boolean;

const folder =
  (name: string): Allowed =>
  ({ to }) =>
    to.startsWith(`${name}/`);
const messageTypes: Allowed = ({ to }) => /^workers\/(.+\/)?messages\.ts$/.test(to);
/** What needs zod stays with the server. */
const plainContract: Allowed = ({ to }) => /^contract\/.+(?<!-schema)\.ts$/.test(to);
/** Options travel by their keys' own names; what reads the configuration stays with main. */
const configTypes: Allowed = ({ to, typeOnly }) => to.startsWith("config/") && typeOnly;
const engineTypes: Allowed = ({ to, typeOnly }) => to.startsWith("engine/") && typeOnly;

/** An engine has one owner, which is asked by all others. */
const engineOfCore: Allowed = ({ from, to, typeOnly }) =>
  to.startsWith("engine/") &&
  (to !== "engine/engine.ts" || typeOnly || from === "exchange/exchange-core.ts");

/** What runs in browsers takes from shared the value types of markets only, which need nothing. */
const marketValues: Allowed = ({ to }) => /^shared\/market(-id)?\.ts$/.test(to);

/** Main lists this node, whatever threads it has. */
const nodeList: Allowed = ({ to }) => /^relay\/(node-list|relay-keys)\.ts$/.test(to);
/** Main keeps the lease of an origin; all else of a relay is threads' business. */
const originLease: Allowed = ({ to }) => to === "relay/origin-lease.ts";

const shared = folder("shared");

/** What each folder of src may import besides itself. Imports point one way. */
const RULE: Readonly<Record<string, readonly Allowed[]>> = {
  cli: [...["main", "client", "store", "config"].map(folder), plainContract, shared],
  main: [
    messageTypes,
    nodeList,
    folder("transport"),
    folder("counters"),
    folder("ring"),
    folder("config"),
    originLease,
    plainContract,
    shared,
  ],
  workers: [
    configTypes,
    engineTypes,
    ...["feed", "sim", "ring", "counters", "contract", "codec", "store", "archive"].map(folder),
    folder("channels"),
    ...["exchange", "market-data", "presence", "relay", "transport", "shared"].map(folder),
  ],
  relay: [messageTypes, ...["ring", "market-data", "exchange", "counters", "shared"].map(folder)],
  exchange: [
    messageTypes,
    configTypes,
    engineOfCore,
    ...["feed", "sim", "market-data", "counters", "contract", "store"].map(folder),
    shared,
  ],
  "market-data": ["feed", "ring", "counters", "shared"].map(folder),
  channels: [folder("counters"), plainContract, shared],
  transport: [shared],
  presence: [plainContract, shared],
  client: [plainContract, marketValues],
  archive: [folder("store"), shared],
  store: [engineTypes, plainContract, folder("journal"), shared],
  journal: [shared],
  config: [shared],
  feed: [configTypes, shared],
  sim: [engineTypes, shared],
  codec: [folder("contract"), shared],
  contract: [shared],
  counters: [plainContract, shared],
  ring: [shared],
  engine: [plainContract, shared],
  shared: [],
};

function isAllowed(imported: Edge): boolean {
  const [home = ""] = imported.from.split("/");
  if (imported.to.startsWith(`${home}/`)) return true;
  return RULE[home]?.some((allows) => allows(imported)) ?? false;
}

const sources = readSources(
  filesBelow(["src", "web/src", "bench"], ".ts").filter((name) => !name.endsWith(".d.ts")),
);
const ofSrc = sources.filter(({ file }) => file.startsWith("src/"));
const belowSrc = (file: string) => file.slice("src/".length);
const edges: readonly Edge[] = ofSrc
  .flatMap(({ imports }) => imports)
  .map(({ from, to, typeOnly }) => ({ from: belowSrc(from), to: belowSrc(to), typeOnly }));

/** Groups of files that reach each other; a file alone is none. */
function circles(all: readonly Pick<Edge, "from" | "to">[]): string[][] {
  const next = new Map<string, string[]>();
  for (const { from, to } of all) next.set(from, [...(next.get(from) ?? []), to]);
  const reach = (start: string): Set<string> => {
    const seen = new Set<string>();
    const queue = [...(next.get(start) ?? [])];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      queue.push(...(next.get(file) ?? []));
    }
    return seen;
  };
  const reached = new Map([...next.keys()].map((file) => [file, reach(file)]));
  const groups = new Map<string, string[]>();
  for (const [file, files] of reached) {
    if (!files.has(file)) continue;
    const group = [...files].filter((other) => reached.get(other)?.has(file)).sort();
    groups.set(group.join(), group);
  }
  return [...groups.values()];
}

/** What scripts in JavaScript take from the built product; every name, as they are few. */
const SCRIPT_IMPORT = /(?:\bfrom|\bimport\()\s*["'](?<path>[^"']+)["']/g;
const byScripts = filesBelow(["scripts"], ".mjs").flatMap((file) =>
  [
    ...readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8").matchAll(
      SCRIPT_IMPORT,
    ),
  ].map(({ groups }) => resolvePath(file, groups?.["path"] ?? "")),
);

function deadExports(): string[] {
  const used = new Set(
    sources
      .flatMap(({ imports }) => imports)
      .flatMap(({ to, names }) => names.map((name) => `${to} ${name}`)),
  );
  const alive = (file: string, name: string) =>
    ENTRIES.includes(file) ||
    byScripts.includes(file) ||
    used.has(`${file} ${name}`) ||
    used.has(`${file} ${EVERY_NAME}`);
  return ofSrc.flatMap(({ file, exports }) =>
    exports.filter((name) => !alive(file, name)).map((name) => `${file} ${name}`),
  );
}

describe("tidy", () => {
  it("tidy - imports of src point one way", () => {
    const broken = edges
      .filter((imported) => !isAllowed(imported))
      .map(({ from, to }) => `${from} must not import ${to}`);
    expect(ofSrc.map(({ file }) => file)).toContain("src/config/schema.ts");
    expect(edges.length).toBeGreaterThan(ofSrc.length);
    expect(broken).toEqual([]);
  });

  it("tidy - every folder of src has a rule", () => {
    const folders = ofSrc.map(({ file }) => belowSrc(file).split("/")[0]);
    expect(Object.keys(RULE)).toEqual(expect.arrayContaining(folders));
  });

  it.each([
    ["ring/a.ts", "codec/b.ts", true, false],
    ["ring/a.ts", "shared/b.ts", false, true],
    ["ring/a.ts", "ring/b.ts", false, true],
    ["main/a.ts", "workers/shard/messages.ts", true, true],
    ["main/a.ts", "workers/messages.ts", false, true],
    ["main/a.ts", "workers/shard/shard.ts", true, false],
    ["exchange/exchange-core.ts", "engine/engine.ts", false, true],
    ["exchange/a.ts", "engine/engine.ts", false, false],
    ["exchange/a.ts", "engine/engine.ts", true, true],
    ["exchange/a.ts", "engine/admission.ts", false, true],
    ["feed/a.ts", "config/b.ts", true, true],
    ["feed/a.ts", "config/b.ts", false, false],
    ["config/a.ts", "feed/b.ts", true, false],
    ["shared/a.ts", "ring/b.ts", true, false],
    ["cli/a.ts", "feed/create-feed.ts", false, false],
    ["client/a.ts", "shared/market-id.ts", false, true],
    ["client/a.ts", "shared/log.ts", false, false],
    ["client/a.ts", "contract/messages.ts", false, true],
    ["client/a.ts", "contract/channels-schema.ts", false, false],
  ])("tidy - %s importing %s (types only: %s) is judged %s", (from, to, typeOnly, allowed) => {
    expect(isAllowed({ from, to, typeOnly })).toBe(allowed);
  });

  it("tidy - no files of src import each other in a circle", () => {
    expect(circles(edges)).toEqual([]);
  });

  it("tidy - a circle is found, and what only leads to it is not", () => {
    const pairs = ["a b", "b c", "c b", "c d"].map((pair) => pair.split(" "));
    const found = circles(pairs.map(([from = "", to = ""]) => ({ from, to })));
    expect(found).toEqual([["b", "c"]]);
  });

  it("tidy - what src exports is imported by the product, a bench or a script", () => {
    expect(deadExports().sort()).toEqual(Object.keys(FOR_TESTS).sort());
  });

  it("tidy - no file is over 400 lines without a reason", () => {
    const files = [
      ...filesBelow(["src", "web/src", "bench"], ".ts"),
      ...filesBelow(["scripts"], ".mjs"),
    ];
    const long = files.filter((file) => linesOf(file) > MAX_FILE_LINES);
    expect(long.sort()).toEqual(Object.keys(LONG_FILES).sort());
  });

  it("tidy - every file that the architecture names is there", () => {
    const text = readFileSync(new URL("../docs/architecture.md", import.meta.url), "utf8");
    const named = [...text.matchAll(/`([\w/-]+(?:\.\w+)*\.ts)`/g)].map(([, name = ""]) => name);
    const files = filesBelow(["src", "web/src", "test"], ".ts");
    const missing = named.filter((name) => !files.some((file) => `/${file}`.endsWith(`/${name}`)));
    expect(named.length).toBeGreaterThan(50);
    expect(missing).toEqual([]);
  });

  it("tidy - no function is over 70 lines", () => {
    const long = sources.flatMap(({ file, functions }) =>
      functions
        .filter(({ lines }) => lines > MAX_FUNCTION_LINES)
        .map(({ name, lines }) => `${file}: ${name} has ${lines} lines`),
    );
    expect(sources.some(({ functions }) => functions.length > 10)).toBe(true);
    expect(long).toEqual([]);
  });
});
