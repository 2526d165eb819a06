import { type Command, Option } from "commander";
import { checkStore } from "../store/check.js";
import { EXPORTED_KINDS, type ExportedKind, exportLines } from "../store/export.js";
import { openComplete } from "../store/open-complete.js";
import { storeDirectory } from "../store/store-file.js";
import { loadCommandConfig } from "./config-flags.js";
import { interruptible } from "./interruptible.js";
import { OutputFile, print } from "./output.js";
import { addBackupCommands } from "./store-backup.js";
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
    await print(`${verdict}  ${result.name} (${result.examined})\n`);
    for (const problem of result.named) await print(`         ${problem}\n`);
    const unnamed = result.problems - result.named.length;
    if (unnamed > 0) await print(`         and ${unnamed} more\n`);
  }
  await print(`${dir}: ${problems === 0 ? "no problems" : `problems: ${problems}`}\n`);
  process.exitCode = problems === 0 ? 0 : 1;
}

async function printAll(chunks: Iterable<string>): Promise<void> {
  for (const chunk of chunks) {
    // Whoever reads standard output may have had enough.
    if (!(await print(chunk))) return;
  }
}

async function writeAll(chunks: Iterable<string>, file: OutputFile): Promise<void> {
  try {
    for (const chunk of chunks) await file.write(chunk);
  } finally {
    await file.close();
  }
}

async function exportStore(options: ExportOptions, program: Command): Promise<void> {
  const { only, output } = options;
  if (output === "") throw new UsageError("output: must not be empty (flag --output)");
  const dir = storeDirectory(loadCommandConfig(program).config.dataDir);
  const environment = await interruptible((signal) => openComplete(dir, signal));
  try {
    const chunks = exportLines(environment, dir, only ? [only] : EXPORTED_KINDS);
    if (output === undefined) await printAll(chunks);
    else await writeAll(chunks, await OutputFile.open(output, 0o600));
  } finally {
    await environment.close();
  }
}

/** `marketcast store`: looks at what the exchange has stored, also while a server runs. */
export function addStoreCommand(program: Command): void {
  const store = program
    .command("store")
    .description("check, export, back up or restore what the exchange has stored");
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
  addBackupCommands(store, program);
}
