import type { Command } from "commander";
import { parseMilliseconds, tokenOption } from "../client-flags.js";
import { type OutputError, OutputFile, print } from "../output.js";
import { serverUrl } from "../server-url.js";
import { UsageError } from "../usage-error.js";
import type { CheckResult } from "./check.js";
import { CONNECTION_CHECKS } from "./connection-checks.js";
import { dataChecks } from "./data-checks.js";
import { ERROR_CHECKS } from "./error-checks.js";
import { Examination } from "./examination.js";
import { allPassed, jsonReport, resultLine, summaryLine } from "./report.js";
import { runChecks } from "./run-checks.js";

const TIMEOUT_MS = 5000;
const DURATION_MS = 5000;

interface DoctorFlags {
  readonly token?: string;
  readonly timeout: number;
  readonly duration: number;
  readonly json?: string;
}

/** Opened before the checks: that it cannot be written should not be found out after them. */
async function openReport(path: string): Promise<OutputFile> {
  try {
    return await OutputFile.open(path);
  } catch (error) {
    const { cause } = error as OutputError;
    throw new UsageError(`json: the file cannot be written: ${(cause as Error).message}`);
  }
}

async function doctor(
  given: string | undefined,
  flags: DoctorFlags,
  program: Command,
): Promise<void> {
  const url = serverUrl(given, program);
  const file = flags.json === undefined ? undefined : await openReport(flags.json);
  const { token, timeout: timeoutMs, duration: durationMs } = flags;
  const examination = new Examination({ url, token, timeoutMs });
  const checks = [...CONNECTION_CHECKS, ...dataChecks(durationMs), ...ERROR_CHECKS];
  const startedAt = new Date();
  const startedMs = performance.now();
  const results: CheckResult[] = [];
  await print(`${url.href}\n`);
  try {
    for await (const result of runChecks(checks, examination)) {
      await print(`${resultLine(result)}\n`);
      results.push(result);
    }
    const tookMs = performance.now() - startedMs;
    await print(`${summaryLine(results, tookMs)}\n`);
    await file?.write(jsonReport(url, startedAt, tookMs, results));
  } finally {
    await Promise.all([examination.end(), file?.close()]);
  }
  process.exitCode = allPassed(results) ? 0 : 1;
}

/** `marketcast doctor`: checks a running server from outside. */
export function addDoctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("check a running server from outside; exit code 1 where a check fails")
    .argument("[URL]", "the server; by default the one at --host and --port")
    .addOption(tokenOption())
    .option("--timeout <MS>", "longest wait for one answer", parseMilliseconds, TIMEOUT_MS)
    .option("--duration <MS>", "how long deliveries are measured", parseMilliseconds, DURATION_MS)
    .option("--json <FILE>", "also write the results to a file, as JSON")
    .action((url: string | undefined, flags: DoctorFlags) => doctor(url, flags, program));
}
