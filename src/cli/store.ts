import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Command, Option } from "commander";
import { checkStore } from "../store/check.js";
import { EXPORTED_KINDS, type ExportedKind, exportLines } from "../store/export.js";
import { openForReading, storeDirectory } from "../store/store-file.js";
import { loadCommandConfig } from "./config-flags.js";
import { interruptible } from "./interruptible.js";
import { UsageError } from "./usage-error.js";

interface ExportOptions {
  readonly only?: ExportedKind;
  readonly output?: string;
}

/** Prints a line for each check and each problem; the exit code is 1 where there is a problem. */
async function printChecks(program: Command): Promise<void> {
  const dir = storeDirectory(loadCommandConfig(program).config.dataDir);
  let problems = 0;
  for (const result of await interruptible((signal) => checkStore(dir, signal))) {
    problems += result.problems;
    const verdict = result.problems === 0 ? "ok     " : "PROBLEM";
    console.log(`${verdict}  ${result.name} (${result.examined})`);
    for (const problem of result.named) console.log(`         ${problem}`);
    const unnamed = result.problems - result.named.length;
    if (unnamed > 0) console.log(`         and ${unnamed} more`);
  }
  console.log(problems === 0 ? `${dir}: no problems` : `${dir}: problems: ${problems}`);
  process.exitCode = problems === 0 ? 0 : 1;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

async function exportStore(options: ExportOptions, program: Command): Promise<void> {
  const { only, output } = options;
  if (output === "") throw new UsageError("output: must not be empty (flag --output)");
  const dir = storeDirectory(loadCommandConfig(program).config.dataDir);
  const environment = await interruptible((signal) => openForReading(dir, signal));
  try {
    const lines = Readable.from(exportLines(environment, dir, only ? [only] : EXPORTED_KINDS));
    if (output === undefined) await pipeline(lines, process.stdout, { end: false });
    else await pipeline(lines, createWriteStream(output, { mode: 0o600 }));
  } catch (error) {
    // Whoever reads standard output has had enough.
    if (output !== undefined || codeOf(error) !== "EPIPE") throw error;
  } finally {
    await environment.close();
  }
}

/** `marketcast store`: looks at what the exchange has stored, also while a server runs. */
export function addStoreCommand(program: Command): void {
  const store = program
    .command("store")
    .description("check or export what the exchange has stored in the data directory");
  store
    .command("check")
    .description("check the file, every record, and what must hold between them")
    .action(() => printChecks(program));
  store
    .command("export")
    .description("print orders and trades as NDJSON")
    .addOption(new Option("--only <KIND>", "orders or trades alone").choices(EXPORTED_KINDS))
    .option("--output <FILE>", "write to a file, not to standard output")
    .action((options: ExportOptions) => exportStore(options, program));
}
