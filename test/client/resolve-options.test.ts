import { describe, expect, it } from "vitest";
import { DEFAULT_OPTIONS } from "../../src/client/options.js";
import { resolveOptions } from "../../src/client/resolve-options.js";

const url = "ws://localhost:8081/ws/v3";

describe("resolve-options", () => {
  it("resolve-options - fills in the defaults, also for what is undefined", () => {
    const asIf = { pingIntervalMs: undefined } as unknown as { pingIntervalMs: number };
    expect(resolveOptions({ url, ...asIf })).toEqual({ ...DEFAULT_OPTIONS, url });
    expect(resolveOptions({ url, pingIntervalMs: 0, encoding: "msgpack" })).toEqual({
      ...DEFAULT_OPTIONS,
      url,
      pingIntervalMs: 0,
      encoding: "msgpack",
    });
  });

  it("resolve-options - whoever trades is not kept away for long, nor finds old orders placed", () => {
    const { maxReconnectIntervalMs, offline, maxOrderAgeMs } = resolveOptions({ url });
    expect([maxReconnectIntervalMs, offline, maxOrderAgeMs]).toEqual([5000, "reject", 0]);
  });

  it.each([
    ["ws://localhost:8081", "ws://localhost:8081/ws/v3"],
    ["http://localhost:8081/", "ws://localhost:8081/ws/v3"],
    ["https://market.test", "wss://market.test/ws/v3"],
    ["wss://market.test/behind/a/proxy?x=1#y", "wss://market.test/behind/a/proxy?x=1"],
  ])("resolve-options - %s is %s", (from, to) => {
    expect(resolveOptions({ url: from }).url).toBe(to);
    expect(resolveOptions({ url: new URL(from) }).url).toBe(to);
  });

  it("resolve-options - cancelOnDisconnect is a parameter of the URL", () => {
    expect(resolveOptions({ url, cancelOnDisconnect: true }).url).toBe(
      `${url}?cancel_on_disconnect=true`,
    );
  });

  it("resolve-options - a time that no timer takes is the longest there is", () => {
    const { pingIntervalMs } = resolveOptions({ url, pingIntervalMs: Number.POSITIVE_INFINITY });
    expect(pingIntervalMs).toBe(2 ** 31 - 1);
  });

  it.each([
    [{ url: "localhost" }, TypeError, /Invalid URL/],
    [{ url: "ftp://localhost" }, TypeError, /^url: must be ws, wss, http or https, not ftp:/],
    [
      { url, encoding: "xml" as "json" },
      TypeError,
      /^encoding: must be one of json, msgpack, protobuf/,
    ],
    [
      { url, offline: "wait" as "queue" },
      TypeError,
      /^offline: must be one of queue, reject, not wait/,
    ],
    [{ url, maxOrderAgeMs: -1 }, RangeError, /^maxOrderAgeMs: must be a number from 0 on, not -1/],
    [{ url, pongTimeoutMs: -1 }, RangeError, /^pongTimeoutMs: must be a number from 0 on, not -1/],
    [{ url, pongTimeoutMs: Number.NaN }, RangeError, /not NaN/],
    [{ url, pongTimeoutMs: "5" as unknown as number }, RangeError, /not 5/],
  ])("resolve-options - %j is refused", (options, type, message) => {
    expect(() => resolveOptions(options)).toThrow(type);
    expect(() => resolveOptions(options)).toThrow(message);
  });
});
