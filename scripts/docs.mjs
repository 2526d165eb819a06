// Generates the tables of rules and reasons in docs/protocol.md from their registry, the README's table of configuration keys from the schema, and docs/metrics.md's table from
// the metrics themselves, each between its markers. With --check: fails where one is out of date.
import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { buildProduct } from "./build.mjs";

buildProduct();
const { KEY_INFOS } = await import("../dist/config/keys.js");
const { counterBlockOf, createCounterBuffer } = await import("../dist/counters/counters.js");
const { CANCEL_REASONS, ORDER_RULES } = await import("../dist/contract/order-rules.js");
const { createMetrics } = await import("../dist/main/metrics.js");

/** A text in a cell: the column separator would end it. */
const cell = (text) => text.replaceAll("|", "\\|");
const code = (text) => `\`${cell(text)}\``;

function row({ flag, description, allowed, defaultText }) {
  const fallback = defaultText === undefined ? "" : code(defaultText);
  return `| ${code(`--${flag}`)} | ${fallback} | ${cell(allowed)} | ${cell(description)} |`;
}

function table(group) {
  const rows = KEY_INFOS.filter((info) => info.group === group).map(row);
  return [
    `**${group}**`,
    "",
    "| flag | default | allowed | what it is |",
    "| --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

const groups = [...new Set(KEY_INFOS.map((info) => info.group))];

/** A metric's labels; a histogram's buckets go without saying. */
function labelsOf({ values }) {
  const names = new Set(values.flatMap(({ labels }) => Object.keys(labels)));
  names.delete("le");
  return [...names].map(code).join(", ");
}

async function metricsTable() {
  const metrics = await createMetrics(counterBlockOf(createCounterBuffer(1))).getMetricsAsJSON();
  const rows = metrics
    .filter(({ name }) => name.startsWith("marketcast_"))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((metric) => {
      const { name, type, help } = metric;
      return `| ${code(name)} | ${type} | ${labelsOf(metric)} | ${cell(help)} |`;
    });
  return ["| metric | type | labels | what it is |", "| --- | --- | --- | --- |", ...rows].join(
    "\n",
  );
}

/** Writes what is generated between a document's markers, or checks that it is there. */
function put(path, marker, generated) {
  const document = new URL(`../${path}`, import.meta.url);
  const [first, last] = [`<!-- ${marker}:start -->`, `<!-- ${marker}:end -->`];
  const current = readFileSync(document, "utf8");
  const [start, end] = [current.indexOf(first), current.indexOf(last)];
  if (start < 0 || end < start) {
    console.error(`${path} lacks the markers ${first} and ${last}, in that order`);
    process.exitCode = 1;
    return;
  }
  const wanted = `${current.slice(0, start)}${first}\n\n${generated}\n\n${current.slice(end)}`;
  if (wanted === current) {
    console.log(`${path}: the ${marker} table is up to date`);
  } else if (argv.includes("--check")) {
    console.error(`${path}: the ${marker} table is out of date; run: npm run docs`);
    process.exitCode = 1;
  } else {
    writeFileSync(document, wanted);
    console.log(`${path}: wrote the ${marker} table`);
  }
}

/** What a registry lists, by its codes. */
function registryTable(codes, heading, meaning) {
  const rows = Object.entries(codes).map(([name, what]) => `| ${code(name)} | ${cell(what)} |`);
  return [`| ${heading} | ${meaning} |`, "| --- | --- |", ...rows].join("\n");
}

put("docs/protocol.md", "order-rules", registryTable(ORDER_RULES, "rule", "it asks that"));
put("docs/protocol.md", "reasons", registryTable(CANCEL_REASONS, "reason_code", "meaning"));
put("README.md", "config", groups.map(table).join("\n\n"));
put("docs/metrics.md", "metrics", await metricsTable());
