import fc from "fast-check";
import { drawSeed } from "./seeds.js";

/* Set up ahead of every file: where the environment has TEST_SEED, properties are tried by that. */
if (process.env["TEST_SEED"] !== undefined)
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: drawSeed("properties") | 0 });
