import { test } from "vitest";
import { runCrashes } from "../support/crash-run.js";
import { drawSeed } from "../support/seeds.js";

const KILLS = 3;
const SEED = drawSeed("crash");

test(`crash - what clients were told outlives a killed process, and nothing is there twice (seed ${SEED})`, async () => {
  await runCrashes(KILLS, SEED);
}, 60_000);
