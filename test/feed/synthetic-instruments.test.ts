import { Buffer } from "node:buffer";
import { describe, expect, it } from "vitest";
import { makeInstrument } from "../../src/feed/synthetic-instruments.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";
import { Random } from "../../src/shared/random.js";

describe("synthetic-instruments", () => {
  const random = new Random(1);
  const instruments = Array.from({ length: 20_000 }, (_, i) => makeInstrument(i, random));

  it("synthetic-instruments - titles are distinct, complete and at most 64 bytes long", () => {
    expect(new Set(instruments.map(({ title }) => title)).size).toBe(instruments.length);
    for (const { title } of instruments) {
      expect(title).toMatch(/^\p{Lu}[^\n]* \d{4}$/u);
      expect(title).not.toContain("undefined");
      expect(Buffer.byteLength(title)).toBeLessThanOrEqual(64);
    }
  });

  it("synthetic-instruments - titles do not depend on the random numbers", () => {
    const others = new Random(2);
    const titles = Array.from({ length: 100 }, (_, i) => makeInstrument(i, others).title);
    expect(titles).toEqual(instruments.slice(0, 100).map(({ title }) => title));
  });

  it("synthetic-instruments - prices leave room for 20 levels a side and are exact", () => {
    for (const { tickSize, lotSize, priceMin, priceMax } of instruments) {
      expect(DecimalScale.of(tickSize)).toBeDefined();
      expect(DecimalScale.of(lotSize)).toBeDefined();
      expect(priceMin).toBeGreaterThan(20);
      expect(priceMax - priceMin).toBeGreaterThan(100);
    }
  });
});
