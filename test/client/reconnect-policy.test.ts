import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DisconnectedError,
  HandshakeError,
  ServerError,
  TokenError,
} from "../../src/client/errors.js";
import { mayReconnect, reconnectDelayMs } from "../../src/client/reconnect-policy.js";

const closed = (code: number): DisconnectedError => new DisconnectedError("closed", code);
const refused = (status: number): HandshakeError => new HandshakeError("refused", status);

describe("reconnect-policy", () => {
  it("reconnect-policy - 4500 to 4999 do not come back, 4000 to 4499 do, but for 4003", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4000, max: 4999 }), fc.boolean(), (code, renewable) => {
        const may = mayReconnect(closed(code), renewable, 0);
        const passing = code < 4500 && code !== 4003;
        expect(may).toBe(passing || (code === 4500 && renewable));
      }),
    );
  });

  it.each([
    [1000, false],
    [1001, false],
    [1003, false],
    [1007, false],
    [1009, false],
    [1002, false],
    [1006, true],
    [1011, true],
    [1012, true],
  ])("reconnect-policy - after %d: %s", (code, may) => {
    expect(mayReconnect(closed(code), true, 0)).toBe(may);
  });

  it("reconnect-policy - a refused token is worth one fresh one", () => {
    for (const cause of [
      refused(401),
      new ServerError({ code: "AUTH_FAILED", message: "expired" }),
      new ServerError({ code: "FORBIDDEN", message: "another wallet" }),
    ]) {
      expect(mayReconnect(cause, true, 1)).toBe(true);
      expect(mayReconnect(cause, true, 2)).toBe(false);
      expect(mayReconnect(cause, false, 1)).toBe(false);
    }
    expect(mayReconnect(new TokenError("not now"), true, 0)).toBe(true);
  });

  it("reconnect-policy - delays have full jitter below a doubling ceiling", () => {
    const delay = (attempt: number, random: number): number =>
      reconnectDelayMs(attempt, 500, 30_000, closed(1006), () => random);
    expect([1, 2, 3, 7, 8, 2000].map((attempt) => delay(attempt, 0.5))).toEqual([
      250, 500, 1000, 15_000, 15_000, 15_000,
    ]);
    expect(delay(5, 0)).toBe(0);
    const never = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), never, (attempt, random) => {
        expect(delay(attempt, random)).toBeLessThanOrEqual(30_000);
      }),
    );
  });

  it("reconnect-policy - Retry-After comes on top, up to the longest delay", () => {
    const asked = (ms: number): number =>
      reconnectDelayMs(1, 500, 30_000, new HandshakeError("full", 503, ms), () => 0.5);
    expect(asked(5000)).toBe(5250);
    expect(asked(86_400_000)).toBe(30_250);
  });
});
