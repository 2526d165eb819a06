import { expect, test } from "vitest";
import { runResuming } from "../support/resuming-run.js";
import { drawSeed } from "../support/seeds.js";

const BLOWS = 15;
const CUTS = 200;
const SEED = drawSeed("long resuming");

test(`resuming - clients miss no trade over thousands of cuts, and kills of everything (seed ${SEED})`, async () => {
  const cut = await runResuming({ cuts: CUTS, blows: BLOWS }, SEED);
  expect(cut).toBeGreaterThanOrEqual(CUTS * BLOWS);
}, 600_000);
