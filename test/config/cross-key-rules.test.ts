import { describe, expect, it } from "vitest";
import { ConfigurationError } from "../../src/config/configuration-error.js";
import { loadConfigWithSources } from "../../src/config/load.js";

const RELAY = "redis://relay:open-sesame@cache:6379/1";

/** The problems that flags are refused with; none where they are taken. */
function problemsOf(flags: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    loadConfigWithSources({ flags });
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.details.map(({ line }) => line);
    throw error;
  }
}

describe("cross-key rules of the relay", () => {
  it.each([
    [{ feed: "relay" }, "relay: must be set when feed is relay"],
    [
      { "relay-prefix": "another" },
      "relay-prefix and relay: relay-prefix is another, but relay is not set",
    ],
    [
      { "relay-window": 5000, feed: "synthetic" },
      "relay-window and relay: relay-window is 5000, but relay is not set",
    ],
    [
      { "relay-order-timeout": 100 },
      "relay-order-timeout and relay: relay-order-timeout is 100, but relay is not set",
    ],
    [
      { "relay-max-queued-bytes": 65_536 },
      "relay-max-queued-bytes and relay: relay-max-queued-bytes is 65536, but relay is not set",
    ],
    [{ "relay-ack": "standby" }, "relay-ack and relay: relay-ack is standby, but relay is not set"],
    [
      { "relay-ack": "standby", relay: RELAY, feed: "synthetic" },
      "relay-ack: standby needs feed exchange",
    ],
    [
      { "relay-lease": 6000, "relay-window": 5000, relay: RELAY },
      "relay-lease: 6000 ms is longer than relay-window, which is 5000 ms",
    ],
  ])("cross-key rules - refuses %j, with the value and the rule", (flags, line) => {
    expect(problemsOf(flags)).toEqual([line]);
  });

  it.each(["a b", "a*", "a/b", "ä", "{a}\u00a0", "a".repeat(65), '"', "a\\b", "a?", "[a]"])(
    "cross-key rules - refuses the prefix %j, which Redis or an operator could read in two ways",
    (prefix) => {
      const [line, ...others] = problemsOf({ relay: RELAY, "relay-prefix": prefix });
      expect(line).toBe(
        `relay-prefix: ${JSON.stringify(prefix)} is not 1 to 64 of A-Z a-z 0-9 _ . : { } -`,
      );
      expect(others).toEqual([]);
    },
  );

  it.each(["a", "{a}.b", "A-9_z:x", "a".repeat(64)])(
    "cross-key rules - takes the prefix %j",
    (prefix) => {
      expect(problemsOf({ relay: RELAY, "relay-prefix": prefix })).toEqual([]);
    },
  );

  it.each([
    "redis://cache",
    "rediss://:p@cache:1/2?ca=file&servername=x",
    "redis+sentinel://u:p@a:1,b/main",
    "rediss+sentinel://a/main/3?sentinel_user=s&sentinel_password=t",
    "redis://[::1]:7000",
  ])("cross-key rules - takes the URL %s, on an origin and on an edge", (relay) => {
    for (const feed of ["exchange", "synthetic", "relay"])
      expect(problemsOf({ relay, feed })).toEqual([]);
  });

  it.each([
    ["cache:6379", "must be redis://"],
    ["http://relay:open-sesame@cache", "must be redis://"],
    ["redis://relay:open-sesame@a,b", "names several hosts"],
    ["redis://relay:open-sesame@cache:70000", "a port that is not from 1 to 65535"],
    ["redis://relay:open-sesame@cache/open-sesame", "no database's number"],
    ["redis://relay:open-sesame%@cache", "a % that no two hexadecimal digits follow"],
    ["redis://cache?password=open-sesame", "a parameter in its query that it does not take"],
    ["redis+sentinel://relay:open-sesame@a", "must name, behind its hosts"],
  ])(
    "cross-key rules - refuses the URL %s by its fault, and repeats nothing of it",
    (relay, fault) => {
      const [line, ...others] = problemsOf({ relay, feed: "relay" });
      expect(line).toMatch(/^relay: the URL /);
      expect(line).toContain(fault);
      expect(line).not.toContain("open-sesame");
      expect(others).toEqual([]);
    },
  );

  it("cross-key rules - all that is wrong is told at once", () => {
    const lines = problemsOf({ relay: "nowhere", "relay-prefix": "a b" });
    expect(lines).toEqual([
      expect.stringMatching(/^relay: /),
      expect.stringMatching(/^relay-prefix: /),
    ]);
  });
});
