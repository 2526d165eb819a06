import { expect, test } from "vitest";
import { runResuming } from "../support/resuming-run.js";
import { drawSeed } from "../support/seeds.js";

const SEED = drawSeed("resuming");

test(`resuming - clients miss no trade over cuts, a kill, and ends of shard and producer (seed ${SEED})`, async () => {
  expect(await runResuming({ cuts: 40, blows: 3 }, SEED)).toBeGreaterThanOrEqual(120);
}, 90_000);
