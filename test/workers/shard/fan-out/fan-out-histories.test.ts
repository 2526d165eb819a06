import { describe, it } from "vitest";
import {
  checkAllHistories,
  checkCalmHistories,
  checkCongestedHistories,
  checkFramedHistories,
} from "../../../support/shard-histories.js";

// Thousands of them belong to `npm run test:long`.
describe("fan-out", () => {
  it("fan-out - clients that keep up get every message in order and nothing is conflated", () => {
    checkCalmHistories(80);
  });

  it("fan-out - congested clients skip no trade, go never back, and end up to date", () => {
    checkCongestedHistories(120);
  });

  it("fan-out - the same holds with conflating rounds, other epochs, and clients that come and go", () => {
    checkAllHistories(120);
  });

  it("fan-out - the same holds in batches and compressed, also where frames wait for more", () => {
    checkFramedHistories(25);
  });
});
