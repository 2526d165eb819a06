import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FeedOptions } from "../../src/config/thread-options.js";
import { createFeed } from "../../src/feed/create-feed.js";
import { FeedConfigurationError } from "../../src/feed/feed-configuration-error.js";
import { ReplayFeed } from "../../src/feed/replay.js";
import { StdinFeed } from "../../src/feed/stdin.js";
import { SyntheticFeed } from "../../src/feed/synthetic.js";
import { feedOptions } from "../support/feed-runs.js";

const MARKET = { market_id: 5, title: "Five", tick_size: 0.01, lot_size: 1 };
const BY_INDEX = { columns: { bid_price: 0, ask_price: 1 }, market: MARKET };
const BY_NAME = { columns: { bid_price: "bid", ask_price: "ask" }, market: MARKET };

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "marketcast-feed-"));
  await mkdir(join(directory, "folder"));
  const files = {
    "rows.csv": "bid,ask\n1,2\n",
    "rows.ndjson": "{}\n",
    "rows.txt": "1,2\n",
    "empty.csv": "",
    "cut.csv.gz": gzipSync("bid,ask\n1,2\n".repeat(1000)).subarray(0, 20),
    "no-json.json": "{",
    "by-index.json": JSON.stringify(BY_INDEX),
    "by-name.json": JSON.stringify(BY_NAME),
    "other-names.json": JSON.stringify({
      ...BY_NAME,
      columns: { bid_price: "bid", ask_price: "offer" },
    }),
    "no-feed.mjs": "export const feed = 1;",
    "throws.mjs": "export function createFeed() { throw new Error('no licence'); }",
    "broken.mjs": "export function createFeed( {",
    "no-run.mjs": "export const createFeed = () => ({ open() {} });",
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(directory, name), content);
  }
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** Options whose files, given by name, are those of the test's directory. */
function inDirectory(changes: Partial<FeedOptions>): FeedOptions {
  const { feedFile, feedMap, feedModule } = changes;
  return feedOptions({
    ...changes,
    ...(feedFile !== undefined && { feedFile: join(directory, feedFile) }),
    ...(feedMap?.endsWith(".json") && { feedMap: join(directory, feedMap) }),
    ...(feedModule !== undefined && { feedModule: join(directory, feedModule) }),
  });
}

async function errorOf(making: Promise<unknown>): Promise<FeedConfigurationError> {
  const error = await making.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FeedConfigurationError);
  return error as FeedConfigurationError;
}

const REPLAY = { feed: "replay", feedFile: "rows.csv", feedMap: "level1-quotes" } as const;

describe("create-feed", () => {
  it("create-feed - makes the feed that is asked for", async () => {
    expect(await createFeed(feedOptions())).toBeInstanceOf(SyntheticFeed);
    expect(await createFeed(feedOptions({ feed: "stdin" }))).toBeInstanceOf(StdinFeed);
    expect(await createFeed(inDirectory(REPLAY))).toBeInstanceOf(ReplayFeed);
    const named = inDirectory({ ...REPLAY, feedMap: "by-name.json" });
    expect(await createFeed(named)).toBeInstanceOf(ReplayFeed);
  });

  const cases: readonly (readonly [Partial<FeedOptions>, flag: string, rule: string])[] = [
    [{ feed: "replay" }, "--feed-file", "(not set): replay needs"],
    [{ ...REPLAY, feedFile: "none.csv" }, "--feed-file", "no such file"],
    [{ ...REPLAY, feedFile: "folder" }, "--feed-file", "regular file"],
    [{ ...REPLAY, feedFile: "rows.txt" }, "--feed-file", "must end in .csv"],
    [{ ...REPLAY, feedMap: undefined }, "--feed-map", "level1-quotes"],
    [{ ...REPLAY, feedMap: "level2" }, "--feed-map", "shipped map (level1-quotes)"],
    [{ ...REPLAY, feedMap: "no-json.json" }, "--feed-map", "must hold JSON"],
    [{ ...REPLAY, feedMap: "other-names.json" }, "--feed-file", '"offer"'],
    [{ ...REPLAY, feedFile: "empty.csv", feedMap: "by-name.json" }, "--feed-file", "empty"],
    [{ ...REPLAY, feedFile: "cut.csv.gz", feedMap: "by-name.json" }, "--feed-file", "cannot read"],
    [{ ...REPLAY, feedFile: "rows.ndjson", feedMap: "by-index.json" }, "--feed-map", "keys"],
    [{ ...REPLAY, feedMode: "recorded" }, "--feed-mode", "time column"],
    [{ feed: "module" }, "--feed-module", "(not set)"],
    [{ feed: "module", feedModule: "none.mjs" }, "--feed-module", "no such file"],
  ];
  for (const [changes, flag, rule] of cases) {
    it(`create-feed - ${JSON.stringify(changes)} breaks a rule of ${flag}`, async () => {
      const options = inDirectory(changes);
      const error = await errorOf(createFeed(options));
      expect(error.flag).toBe(flag);
      expect(error.message.startsWith(`${flag} `)).toBe(true);
      expect(error.message).toContain(rule);
    });
  }

  for (const [feedModule, rule] of [
    ["no-feed.mjs", "must export a function createFeed"],
    ["throws.mjs", "its createFeed threw: no licence"],
    ["broken.mjs", "must be a module that can be imported"],
    ["no-run.mjs", "function run"],
  ] as const) {
    it(`create-feed - the module ${feedModule} is refused when the feed is made`, async () => {
      const options = inDirectory({ feed: "module", feedModule });
      const error = await errorOf(createFeed(options));
      expect(error.message).toMatch(/^--feed-module "/);
      expect(error.message).toContain(rule);
    });
  }
});
