import { describe, expect, it } from "vitest";
import { parseRelayUrl, relayTargetOf } from "../../src/shared/relay-url.js";

const NOBODY = { username: undefined, password: undefined };

describe("relay url", () => {
  it("relay url - a host is enough, and the rest is told by its parts", () => {
    expect(parseRelayUrl("redis://cache")).toEqual({
      ...NOBODY,
      nodes: [{ host: "cache", port: 6379 }],
      sentinelName: undefined,
      sentinel: NOBODY,
      database: 0,
      tls: undefined,
    });
    expect(parseRelayUrl("rediss://relay:p%40ss@[::1]:7000/3?ca=%2Fetc%2Fca.pem")).toMatchObject({
      username: "relay",
      password: "p@ss",
      nodes: [{ host: "::1", port: 7000 }],
      database: 3,
      tls: { ca: "/etc/ca.pem", cert: undefined, key: undefined, servername: undefined },
    });
    expect(parseRelayUrl("redis://:secret@cache:1")).toMatchObject({
      username: undefined,
      password: "secret",
    });
  });

  it("relay url - sentinels are a list of hosts and a name", () => {
    const url =
      "rediss+sentinel://u:p@a:1,b,[::2]:3/main/5?sentinel_user=s&sentinel_password=t&servername=x";
    expect(parseRelayUrl(url)).toEqual({
      username: "u",
      password: "p",
      nodes: [
        { host: "a", port: 1 },
        { host: "b", port: 26_379 },
        { host: "::2", port: 3 },
      ],
      sentinelName: "main",
      sentinel: { username: "s", password: "t" },
      database: 5,
      tls: { ca: undefined, cert: undefined, key: undefined, servername: "x" },
    });
  });

  it.each([
    ["http://cache", "must be redis://"],
    ["redis://", "must be redis://"],
    ["redis://a,b", "several hosts"],
    ["redis://cache:0", "a port that is not from 1 to 65535"],
    ["redis://cache:70000", "a port that is not from 1 to 65535"],
    ["redis://cache/two", "a path that is no database's number"],
    ["redis://cache/1/2", "a path that is no database's number"],
    ["redis://u:%zz@cache", "a % that no two hexadecimal digits follow"],
    ["redis://cache?ca=file", "it takes none"],
    ["rediss://cache?cat=file", "it takes only ca, cert, key, servername"],
    ["redis+sentinel://a:1,b:2", "/NAME"],
  ])("relay url - %s is refused, and nothing of it is repeated", (url, fault) => {
    expect(parseRelayUrl(url)).toEqual({ fault: expect.stringContaining(fault) });
    const wrong = parseRelayUrl(url.replace("://", "://user:opensesame@")) as { fault: string };
    expect(wrong.fault).not.toContain("opensesame");
    expect(() => relayTargetOf(url)).toThrow(fault);
  });
});
