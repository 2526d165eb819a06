import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  CLOSE_CODES,
  isFinalOwnCode,
  NO_CLOSE_CODE,
  NO_STATUS_CODE,
} from "../../src/contract/close-codes.js";
import { filesBelow } from "../support/source-facts.js";

const file = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

/** Codes of the table in docs/protocol.md, and whether a client may come back after them. */
function documented(): ReadonlyMap<number, string> {
  const [, table = ""] = file("docs/protocol.md").split("\n## Close codes\n");
  return new Map(
    [...table.matchAll(/^\| (\d+(?:, \d+)*) \|.*\| ([^|]+) \|$/gm)].flatMap(
      ([, codes = "", reconnect = ""]) =>
        codes.split(", ").map((code) => [Number(code), reconnect] as const),
    ),
  );
}

/** A source without its comments. */
const stripped = (source: string): string =>
  source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");

describe("close-codes", () => {
  it("close-codes - they differ, and the protocol's table lists these and no others", () => {
    const codes = Object.values(CLOSE_CODES);
    expect(new Set(codes).size).toBe(codes.length);
    expect([...documented().keys()]).toEqual(codes);
  });

  it("close-codes - the server's own say by number whether to reconnect, as documented", () => {
    const own = [...documented()].filter(([code]) => code >= 4000);
    expect(own.length).toBe(6);
    for (const [code, reconnect] of own) expect(isFinalOwnCode(code)).toBe(reconnect !== "yes");
    expect([4499, 4500, 4999, 5000].map(isFinalOwnCode)).toEqual([false, true, true, false]);
  });

  it("close-codes - their names stand for the numbers that clients know", () => {
    const { serviceRestart, idle, slowConsumer, pongTimeout, tokenExpired, flooding } = CLOSE_CODES;
    expect([serviceRestart, idle, slowConsumer, pongTimeout]).toEqual([1012, 4000, 4001, 4002]);
    expect([tokenExpired, flooding]).toEqual([4500, 4501]);
  });

  it("close-codes - nowhere else in the product does a number stand for one", () => {
    // 1000 and 1001 are many other things as well.
    const codes = [...Object.values(CLOSE_CODES), NO_STATUS_CODE, NO_CLOSE_CODE].filter(
      (code) => code > 1001,
    );
    const spelled = new RegExp(`\\b(?:${codes.join("|")})\\b`);
    const found = filesBelow(["src", "web/src"], ".ts").filter((path) =>
      spelled.test(stripped(file(path))),
    );
    expect(found).toEqual(["src/contract/close-codes.ts"]);
  });
});
