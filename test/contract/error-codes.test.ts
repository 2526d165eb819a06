import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../../src/contract/error-codes.js";

describe("error-codes", () => {
  it("error-codes - they differ and are written as the contract writes them", () => {
    expect(new Set(ERROR_CODES).size).toBe(ERROR_CODES.length);
    for (const code of ERROR_CODES) expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
  });
});
