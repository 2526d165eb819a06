#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { MarketcastError } from "../client/node.js";
import { VERSION } from "../config/version.js";
import { addCheckConfigCommand } from "./check-config.js";
import { addConfigFlags } from "./config-flags.js";
import { addDoctorCommand } from "./doctor/doctor.js";
import { errorText } from "./error-text.js";
import { ListenError } from "./listen-error.js";
import { addOrderCommand } from "./order.js";
import { addServeCommand } from "./serve.js";
import { addStoreCommand } from "./store.js";
import { addTailCommand } from "./tail.js";
import { addTokenCommand } from "./token.js";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const STORE_ERRORS = ["StoreError", "FeedStoreError"];
const USAGE_ERRORS = ["ConfigurationError", "FeedConfigurationError", "UsageError"];

/** Commander quotes an unknown flag with its value, which may be a secret under a mistyped name. */
function withoutValues(message: string): string {
  return message.replace(/'(--[^'=]*)=[\s\S]*'/, "'$1'");
}

function createProgram(): Command {
  const program = new Command("marketcast")
    .description("WebSocket market-data broadcaster")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ outputError: (message, write) => write(withoutValues(message)) });
  addConfigFlags(program);
  addServeCommand(program);
  addTokenCommand(program);
  addCheckConfigCommand(program);
  addStoreCommand(program);
  addTailCommand(program);
  addOrderCommand(program);
  addDoctorCommand(program);
  return program;
}

/** What to tell of an error that is no fault of the program; undefined for any other one. */
function toldText(error: unknown): string | undefined {
  if (error instanceof MarketcastError) return errorText(error);
  if (!(error instanceof Error)) return undefined;
  return error instanceof ListenError || STORE_ERRORS.includes(error.name)
    ? error.message
    : undefined;
}

/** Tells the user what went wrong and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const usage = USAGE_ERRORS.includes(name);
  const text = toldText(error) ?? (usage ? message : (stack ?? message));
  console.error(`marketcast: ${text.replaceAll("\n", "\nmarketcast: ")}`);
  return usage ? EXIT_USAGE : EXIT_FAILURE;
}

try {
  await createProgram().parseAsync();
} catch (error) {
  // Not process.exitCode: a server that failed half-way may have left threads behind.
  process.exit(report(error));
}
