import { test } from "vitest";
import { runCrashes } from "../support/crash-run.js";

const KILLS = 3;
const SEED = Math.floor(Math.random() * 2 ** 32);

test(`crash - what clients were told outlives a killed process, and nothing is there twice (seed ${SEED})`, async () => {
  await runCrashes(KILLS, SEED);
}, 60_000);
