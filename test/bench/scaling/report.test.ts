import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MEASURED } from "../../../bench/scaling/measured.js";
import { costsTable, plansTable } from "../../../bench/scaling/report.js";

const DOCUMENT = fileURLToPath(new URL("../../../docs/scaling.md", import.meta.url));

describe("scaling report", () => {
  it("scaling report - docs/scaling.md has what the measured costs give", () => {
    const text = readFileSync(DOCUMENT, "utf8");
    expect(text).toContain(costsTable(MEASURED));
    expect(text).toContain(plansTable(MEASURED));
  });

  it("scaling report - a cost that grows shows in what it gives", () => {
    const dearer = { ...MEASURED, deliveryMicros: 2 * MEASURED.deliveryMicros };
    expect(costsTable(dearer)).not.toBe(costsTable(MEASURED));
    expect(plansTable(dearer)).not.toBe(plansTable(MEASURED));
  });
});
