import { type Command, Help, Option } from "commander";
import type { ConfigInput } from "../config/given-values.js";
import { KEY_INFOS, type KeyInfo } from "../config/keys.js";
import { type LoadedConfig, loadConfigWithSources } from "../config/load.js";

/** The text of a flag in `--help`: what it is, what is allowed, what it is by default. */
function describeFlag(info: KeyInfo): string {
  const fallback = info.defaultText === undefined ? "" : `; default ${info.defaultText}`;
  return `${info.description} (${info.allowed}${fallback})`;
}

function flagOptions(info: KeyInfo): Option[] {
  if (info.placeholder !== undefined) {
    return [new Option(`--${info.flag} <${info.placeholder}>`, describeFlag(info))];
  }
  return [
    new Option(`--${info.flag} [BOOLEAN]`, describeFlag(info)),
    new Option(`--no-${info.flag}`).hideHelp(),
  ];
}

/** Shows the configuration flags in the help of every command, under their groups. */
function visibleOptions(command: Command): Option[] {
  const help = new Help();
  const own = help.visibleOptions(command);
  if (command.parent === null) return own;
  const shared = help.visibleOptions(command.parent);
  return [...own, ...shared.filter((option) => option.helpGroupHeading !== undefined)];
}

/**
 * Gives a program all configuration flags; they may stand before or after the name of a command.
 * They have no defaults here: only what was given takes precedence over the environment.
 */
export function addConfigFlags(program: Command): void {
  for (const info of KEY_INFOS) {
    for (const option of flagOptions(info)) program.addOption(option.helpGroup(`${info.group}:`));
  }
  program.configureHelp({ visibleOptions });
  program.addHelpText(
    "after",
    "\nEach flag may also be set by the environment (MARKETCAST_RING_SIZE for --ring-size) or by a key\n" +
      "of the JSON file named by --config. Flags come before the environment, that before the file.",
  );
}

/** The configuration of a command: its program's flags, the environment, the file, the defaults. */
export function loadCommandConfig(program: Command): LoadedConfig {
  const given = program.options.filter(
    (option) =>
      option.helpGroupHeading !== undefined &&
      program.getOptionValueSource(option.attributeName()) === "cli",
  );
  const flags: ConfigInput["flags"] = Object.fromEntries(
    given.map((option) => [option.attributeName(), program.getOptionValue(option.attributeName())]),
  );
  return loadConfigWithSources({ flags, env: process.env });
}
