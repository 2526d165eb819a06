// What the measured costs give for many connections: `npm run scaling -- [FILE…]`, files of `npm run bench -- … --json`.
import { readFileSync } from "node:fs";
import { type BenchJson, costsIn } from "./scaling/costs.js";
import { MEASURED } from "./scaling/measured.js";
import { costsTable, plansTable } from "./scaling/report.js";

const files = process.argv
  .slice(2)
  .map((path) => JSON.parse(readFileSync(path, "utf8")) as BenchJson);
const found = costsIn(files);
const costs = { ...MEASURED, ...found };
const named = Object.keys(found).join(", ") || "none";
console.log(`of the files: ${named}; all else is what docs/scaling.md has\n`);
console.log(`${costsTable(costs)}\n\n${plansTable(costs)}`);
