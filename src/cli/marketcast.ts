#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { MarketcastError } from "../client/node.js";
import type { ConfigurationError } from "../config/configuration-error.js";
import { VERSION } from "../config/version.js";
import type { ProducerStartError } from "../main/producer-supervisor.js";
import { CodedError } from "../shared/coded-error.js";
import { addCheckConfigCommand } from "./check-config.js";
import { addConfigFlags } from "./config-flags.js";
import { addDoctorCommand } from "./doctor/doctor.js";
import { errorText } from "./error-text.js";
import { addMarketCommand } from "./market.js";
import { addOrderCommand } from "./order.js";
import { print, tell } from "./output.js";
import { addPublishCommand } from "./publish.js";
import { addServeCommand } from "./serve.js";
import { addStoreCommand } from "./store.js";
import { addTailCommand } from "./tail.js";
import { addTokenCommand } from "./token.js";
import type { UsageError } from "./usage-error.js";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** Codes of what the user has to give differently. */
const USAGE_CODES: ReadonlySet<string> = new Set<
  ConfigurationError["code"] | ProducerStartError["code"] | UsageError["code"]
>(["CONFIGURATION_INVALID", "FEED_INVALID", "USAGE"]);

/** What is wrong with a command line, in commander's words. */
function commanderText({ code, message }: CommanderError): string {
  if (code === "commander.help")
    return "a command is missing, or there is no such one; --help lists them";
  // An unknown flag is quoted with its value, which may be a secret under a mistyped name.
  return message.replace(/^error: /, "").replace(/'(--[^'=]*)=[\s\S]*'/, "'$1'");
}

/** Makes the program; `printed` takes the help, or the version, on its way out. */
function createProgram(printed: (printing: Promise<unknown>) => void): Command {
  const program = new Command("marketcast")
    .description("WebSocket market-data broadcaster")
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => printed(print(text)),
      // What is wrong is said by report(), and a command that is missing without all of the help.
      writeErr: () => {},
    });
  // What is no command would be an argument of the default one.
  program.hook("preSubcommand", () => {
    const [name = "-"] = program.args;
    if (!name.startsWith("-") && program.commands.every((command) => command.name() !== name))
      program.error(`unknown command '${name}'`);
  });
  addConfigFlags(program);
  addServeCommand(program);
  addTokenCommand(program);
  addCheckConfigCommand(program);
  addStoreCommand(program);
  addTailCommand(program);
  addOrderCommand(program);
  addPublishCommand(program);
  addMarketCommand(program);
  addDoctorCommand(program);
  return program;
}

/** What to tell of an error that is no fault of the program; undefined for any other one. */
function toldText(error: unknown): string | undefined {
  if (error instanceof MarketcastError) return errorText(error);
  if (!(error instanceof Error)) return undefined;
  // What has a system call failed for reasons of the machine.
  return error instanceof CodedError || "syscall" in error ? error.message : undefined;
}

async function tellLines(text: string): Promise<void> {
  for (const line of text.trimEnd().split("\n")) await tell(line);
}

/** Tells the user what went wrong and returns the exit code. */
async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError) {
    await tellLines(commanderText(error));
    return EXIT_USAGE;
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  await tellLines(toldText(error) ?? stack ?? message);
  return error instanceof CodedError && USAGE_CODES.has(error.code) ? EXIT_USAGE : EXIT_FAILURE;
}

async function run(): Promise<void> {
  let printed: Promise<unknown> | undefined;
  try {
    await createProgram((printing) => {
      printed = printing;
    }).parseAsync();
  } catch (error) {
    // So commander ends where help or version was asked for.
    if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error;
  }
  await printed;
}

try {
  await run();
} catch (error) {
  // Not process.exitCode: a server that failed half-way may have left threads behind.
  process.exit(await report(error));
}
