import type { Command } from "commander";
import { examineConfig } from "../config/examine.js";
import { readJwtKeys } from "../config/jwt-keys.js";
import { jwtSecretFile } from "../config/jwt-secret.js";
import { KEY_INFOS, type KeyInfo } from "../config/keys.js";
import { type LoadedConfig, showValue } from "../config/load.js";
import { loadCommandConfig } from "./config-flags.js";
import { print, tell } from "./output.js";

function row(info: KeyInfo, { config, sources }: LoadedConfig): [string, string, string] {
  const value = config[info.key];
  const shown = value === undefined ? "not set" : showValue(info, value);
  return [info.flag, shown, sources.get(info.key) ?? ""];
}

/** The effective configuration as a table of key, value and source; secrets are masked. */
function configTable(loaded: LoadedConfig): string {
  const rows = [["key", "value", "source"], ...KEY_INFOS.map((info) => row(info, loaded))];
  const width = (column: number) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0));
  const widths = [width(0), width(1)];
  return rows
    .map((cells) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .join("\n");
}

async function checkConfig(program: Command): Promise<void> {
  const loaded = loadCommandConfig(program);
  const { remarks } = await examineConfig(loaded);
  const keys = await readJwtKeys(loaded.config);
  await print(`${configTable(loaded)}\n`);
  for (const { message } of remarks) await tell(message);
  if (keys === undefined) {
    await print(`\nThe first start makes a secret in ${jwtSecretFile(loaded.config.dataDir)}.\n`);
  }
}

/** `marketcast check-config`: prints the effective configuration, or says what is wrong with it. */
export function addCheckConfigCommand(program: Command): void {
  program
    .command("check-config")
    .description("print the effective configuration and where each value comes from")
    .action(() => checkConfig(program));
}
