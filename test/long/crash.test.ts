import { test } from "vitest";
import { runCrashes } from "../support/crash-run.js";
import { drawSeed } from "../support/seeds.js";

const KILLS = 20;
const SEED = drawSeed("long crash");

test(`crash - what clients were told outlives a killed process, and nothing is there twice (seed ${SEED})`, async () => {
  await runCrashes(KILLS, SEED);
});
