import { expect, test } from "vitest";
import { runResuming } from "../support/resuming-run.js";

const SEED = Math.floor(Math.random() * 2 ** 32);

test(`resuming - clients miss no trade over cuts, a kill, and ends of shard and producer (seed ${SEED})`, async () => {
  expect(await runResuming({ cuts: 40, blows: 3 }, SEED)).toBeGreaterThanOrEqual(120);
}, 90_000);
