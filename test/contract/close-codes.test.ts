import { describe, expect, it } from "vitest";
import { CLOSE } from "../../src/contract/close-codes.js";

describe("close-codes", () => {
  it("close-codes - they differ, and the server's own say by number whether to reconnect", () => {
    const codes = Object.values(CLOSE);
    expect(new Set(codes).size).toBe(codes.length);
    const own = codes.filter((code) => code >= 4000);
    const { idle, slowConsumer, pongTimeout, tokenExpired, flooding, serviceRestart } = CLOSE;
    expect(own.filter((code) => code < 4500)).toEqual([idle, slowConsumer, pongTimeout]);
    expect(own.filter((code) => code >= 4500)).toEqual([tokenExpired, flooding]);
    expect([serviceRestart, idle, slowConsumer, pongTimeout]).toEqual([1012, 4000, 4001, 4002]);
    expect([tokenExpired, flooding]).toEqual([4500, 4501]);
  });
});
