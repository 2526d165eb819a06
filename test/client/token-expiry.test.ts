import { describe, expect, it } from "vitest";
import { refreshDelayMs, tokenExpiryMs } from "../../src/client/token-expiry.js";
import { testToken } from "../support/server-process.js";

describe("token-expiry", () => {
  it("token-expiry - reads exp, in milliseconds", () => {
    const before = Math.floor(Date.now() / 1000) * 1000;
    const expiry = tokenExpiryMs(testToken({ name: "Zoë ☂ ÿ" }, 60)) as number;
    expect(expiry - before).toBeGreaterThanOrEqual(60_000);
    expect(expiry - before).toBeLessThan(62_000);
  });

  it.each([
    "",
    "garbage",
    "a.b.c",
    `a.${btoa("{}")}.c`,
    `a.${btoa('{"exp":"soon"}')}.c`,
    `a.${btoa("7")}.c`,
  ])("token-expiry - none in %j", (token) => expect(tokenExpiryMs(token)).toBeUndefined());

  it("token-expiry - a token is renewed a margin before its end, or in the middle of a short life", () => {
    expect(refreshDelayMs(3_600_000, 30_000)).toBe(3_570_000);
    expect(refreshDelayMs(40_000, 30_000)).toBe(20_000);
    expect(refreshDelayMs(1000, 0)).toBe(1000);
  });
});
