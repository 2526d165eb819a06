import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const SRC = fileURLToPath(new URL("../src", import.meta.url));

interface Import {
  /** Paths below src; only relative imports are looked at. */
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

type Allowed = (imported: Import) => boolean;

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

const shared = folder("shared");

/** What each folder of src may import besides itself. Imports point one way. */
const RULE: Readonly<Record<string, readonly Allowed[]>> = {
  cli: [...["main", "client", "store", "config"].map(folder), plainContract, shared],
  main: [
    messageTypes,
    folder("transport"),
    folder("counters"),
    folder("ring"),
    folder("config"),
    plainContract,
    shared,
  ],
  workers: [
    configTypes,
    engineTypes,
    ...["feed", "sim", "ring", "counters", "contract", "codec", "store"].map(folder),
    ...["exchange", "market-data", "transport", "shared"].map(folder),
  ],
  exchange: [
    messageTypes,
    configTypes,
    engineOfCore,
    ...["feed", "sim", "market-data", "counters", "contract", "store"].map(folder),
    shared,
  ],
  "market-data": ["feed", "ring", "counters", "shared"].map(folder),
  transport: [shared],
  client: [plainContract, marketValues],
  store: [engineTypes, shared],
  config: [shared],
  feed: [configTypes, shared],
  sim: [engineTypes, shared],
  codec: [folder("contract"), shared],
  contract: [shared],
  counters: [plainContract, shared],
  ring: [shared],
  engine: [shared],
  shared: [],
};

/** Imports and re-exports with their clause, side-effect imports, and dynamic ones. */
const STATEMENT =
  /^[ \t]*(?:import|export)\s+(?<clause>[^;"']*?)\s*from\s*["'](?<path>[^"']+)["']|^[ \t]*import\s*["'](?<bare>[^"']+)["']|\bimport\(\s*["'](?<dynamic>[^"']+)["']\s*\)/gm;

function isTypeOnly(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const names = /^\{(.*)\}$/s
    .exec(clause)?.[1]
    ?.split(",")
    .map((name) => name.trim());
  return names?.every((name) => name === "" || /^type\s/.test(name)) ?? false;
}

/** The relative imports of a source file, as paths below src. */
function importsOf(file: string, source: string): Import[] {
  return [...source.matchAll(STATEMENT)].flatMap(({ groups = {} }) => {
    const path = groups["path"] ?? groups["bare"] ?? groups["dynamic"] ?? "";
    if (!path.startsWith(".")) return [];
    const to = relative(SRC, resolve(SRC, dirname(file), path)).replace(/\.js$/, ".ts");
    return [{ from: file, to, typeOnly: isTypeOnly(groups["clause"] ?? "") }];
  });
}

function isAllowed(imported: Import): boolean {
  const [home = ""] = imported.from.split("/");
  if (imported.to.startsWith(`${home}/`)) return true;
  return RULE[home]?.some((allows) => allows(imported)) ?? false;
}

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".ts"),
);

describe("import rule", () => {
  it("import rule - src keeps it", () => {
    const broken = files
      .flatMap((file) => importsOf(file, readFileSync(join(SRC, file), "utf8")))
      .filter((imported) => !isAllowed(imported))
      .map(({ from, to }) => `${from} must not import ${to}`);
    expect(files).toContain("config/schema.ts");
    expect(broken).toEqual([]);
  });

  it("import rule - every folder of src has one", () => {
    expect(Object.keys(RULE)).toEqual(expect.arrayContaining(files.map((f) => f.split("/")[0])));
  });

  it("import rule - every form of import is seen", () => {
    const source = `
import { a } from "../a.js";
import type { b } from "../b.js";
import {
  type c,
  type d,
} from "../c.js";
import "../d.js";
export { e } from "../e.js";
export * from "../f.js";
const g = await import("../g.js");
import { readFile } from "node:fs";`;
    expect(importsOf("ring/x.ts", source).map(({ to, typeOnly }) => [to, typeOnly])).toEqual([
      ["a.ts", false],
      ["b.ts", true],
      ["c.ts", true],
      ["d.ts", false],
      ["e.ts", false],
      ["f.ts", false],
      ["g.ts", false],
    ]);
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
  ])(
    "import rule - %s importing %s (types only: %s) is judged %s",
    (from, to, typeOnly, allowed) => {
      expect(isAllowed({ from, to, typeOnly })).toBe(allowed);
    },
  );
});
