// Generates the README's table of configuration keys from the schema, between the markers
// `<!-- config:start -->` and `<!-- config:end -->`. With --check: fails where it is out of date.
import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { buildProduct } from "./build.mjs";

buildProduct();
const { KEY_INFOS } = await import("../dist/config/keys.js");

const readme = new URL("../README.md", import.meta.url);
const START = "<!-- config:start -->";
const END = "<!-- config:end -->";

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
const generated = `${START}\n\n${groups.map(table).join("\n\n")}\n\n${END}`;

const current = readFileSync(readme, "utf8");
const [start, end] = [current.indexOf(START), current.indexOf(END)];
if (start < 0 || end < start) {
  console.error(`README.md lacks the markers ${START} and ${END}, in that order`);
  process.exit(1);
}
const wanted = current.slice(0, start) + generated + current.slice(end + END.length);
if (wanted === current) {
  console.log("README.md: the configuration table is up to date");
} else if (argv.includes("--check")) {
  console.error("README.md: the configuration table is out of date; run: npm run docs");
  process.exitCode = 1;
} else {
  writeFileSync(readme, wanted);
  console.log("README.md: wrote the configuration table");
}
