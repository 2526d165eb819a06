import { describe, it } from "vitest";
import {
  checkAllHistories,
  checkCalmHistories,
  checkCongestedHistories,
  checkFramedHistories,
} from "../support/shard-histories.js";

const HISTORIES = 4000;

describe("fan-out", () => {
  it("fan-out - thousands of histories of clients that keep up", () => {
    checkCalmHistories(HISTORIES);
  });

  it("fan-out - thousands of histories of congested clients", () => {
    checkCongestedHistories(HISTORIES);
  });

  it("fan-out - thousands of histories of everything that can happen", () => {
    checkAllHistories(HISTORIES);
  });

  it("fan-out - a thousand histories in batches and compressed", () => {
    checkFramedHistories(HISTORIES / 4);
  });
});
