import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A Node process and what it has printed. */
export interface Run {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

const runs: Run[] = [];

/** Runs Node in the project's folder, where the package knows itself by its name. */
export function runNode(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(process.execPath, [...args], { cwd: ROOT, env: { ...process.env, ...env } });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  }
  const ended = once(child, "exit").then(([code]) => code as number | null);
  const started = { child, lines, ended };
  runs.push(started);
  return started;
}

/** Ends every process that still runs. */
export async function endRuns(): Promise<void> {
  for (const { child, ended } of runs.splice(0)) {
    if (child.exitCode === null) child.kill("SIGKILL");
    await ended;
  }
}
