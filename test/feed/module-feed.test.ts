import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { createModuleFeed, resolveFeedModule } from "../../src/feed/module-feed.js";
import { feedContext, feedOptions } from "../support/feed-runs.js";
import { RecordingSink } from "../support/recording-sink.js";

const EXAMPLE = new URL("../../examples/module-feed.mjs", import.meta.url).pathname;

async function moduleFile(source: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "marketcast-module-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, "feed.mjs");
  await writeFile(path, source);
  return path;
}

describe("module-feed", () => {
  it("module-feed - the example lists its markets and publishes until the abort", async () => {
    const feed = await createModuleFeed(feedOptions({ feedModule: EXAMPLE, feedRate: 1000 }));
    const stop = new AbortController();
    const sink: RecordingSink = new RecordingSink({
      onEvent: (event) => {
        sink.events.push(event);
        if (sink.events.length >= 60) stop.abort();
      },
    });
    await feed.open?.(sink);
    expect(sink.of("listed").map(({ marketId }) => marketId)).toEqual([2001, 2002]);
    await feed.run(sink, feedContext({ signal: stop.signal }));
    for (const type of ["price", "trade", "book"] as const) {
      expect(new Set(sink.of(type).map(({ marketId }) => marketId))).toEqual(new Set([2001, 2002]));
    }
    const prices = sink.of("price");
    for (const { bestBid, bestAsk } of prices)
      expect(Number(bestBid)).toBeLessThan(Number(bestAsk));
  });

  it("module-feed - the page on feeds shows the example as it is", async () => {
    const page = await readFile(new URL("../../docs/feeds.md", import.meta.url), "utf8");
    const [source] =
      /^export function createFeed.*?^}/ms.exec(await readFile(EXAMPLE, "utf8")) ?? [];
    expect(source).toBeDefined();
    expect(page).toContain(source);
  });

  it("module-feed - createFeed is given the options, and may be asynchronous", async () => {
    const feedModule = await moduleFile(
      "export const createFeed = async (options) => ({ options, run: async () => {} });",
    );
    const given = { rate: 7, seed: 3, markets: 9 };
    const options = feedOptions({ feedModule, feedRate: 7, feedSeed: 3, feedMarkets: 9 });
    expect(await createModuleFeed(options)).toMatchObject({ options: given });
    const withFile = await createModuleFeed({ ...options, feedFile: "a.csv" });
    expect(withFile).toMatchObject({ options: { ...given, file: "a.csv" } });
  });

  it("module-feed - a path is taken from the working directory, with or without ./", () => {
    const url = pathToFileURL(EXAMPLE).href;
    const path = relative(process.cwd(), EXAMPLE);
    expect(resolveFeedModule(EXAMPLE)).toBe(url);
    expect(resolveFeedModule(path)).toBe(url);
    expect(resolveFeedModule(`./${path}`)).toBe(url);
    expect(resolveFeedModule(url)).toBe(url);
  });

  it("module-feed - what is no path is a package's specifier", () => {
    expect(resolveFeedModule("@acme/feed")).toBe("@acme/feed");
    expect(() => resolveFeedModule("./nowhere.mjs")).toThrow("no such file");
    expect(() => resolveFeedModule("/nowhere.mjs")).toThrow("no such file");
  });
});
