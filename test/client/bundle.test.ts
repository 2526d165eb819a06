import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { type BundledFile, bundleClient } from "../../bench/support/client-bundle.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GZIP_BYTES_MAX = 14.25 * 1024;

let entry: BundledFile;
let others: readonly BundledFile[];
beforeAll(async () => {
  const files = await bundleClient(ROOT);
  entry = files.find(({ isEntry }) => isEntry) as BundledFile;
  others = files.filter(({ isEntry }) => !isEntry);
});

describe("bundle", () => {
  it("bundle - a page with JSON loads nothing but this project's client, in 14.25 KB", () => {
    expect(entry.gzipBytes).toBeLessThanOrEqual(GZIP_BYTES_MAX);
    const strangers = entry.modules.filter(
      (path) => !/\/src\/(client|contract|shared)\//.test(path) && !path.startsWith("\0"),
    );
    expect(strangers).toEqual([]);
    expect(entry.code).not.toMatch(/node:|from\s*["'`]/);
    expect(entry.code).toMatch(/MarketcastClient/);
  });

  it.each([
    ["MessagePack", "msgpackr"],
    ["Protocol Buffers", "@bufbuild/protobuf"],
  ])("bundle - %s comes by itself, with nothing but %s, when asked for", (_, library) => {
    const strangers = (file: BundledFile) =>
      file.modules.filter((path) => path.includes("/node_modules/"));
    const own = others.filter((file) => strangers(file).some((path) => path.includes(library)));
    expect(own.length).toBe(1);
    for (const file of own) {
      expect(strangers(file).every((path) => path.includes(`/${library}/`))).toBe(true);
      expect(file.code).not.toMatch(/["'`]node:/);
    }
  });

  it("bundle - what a first connection does without comes by itself, and is the client's own", () => {
    const own = others.filter(
      ({ modules }) => !modules.some((path) => path.includes("/node_modules/")),
    );
    expect(own.map(({ name }) => name).sort()).toEqual([
      "book-keeper",
      "history-pages",
      "presence-watch",
      "resubscriber",
      "stale-watch",
      "token-renewal",
    ]);
  });
});
