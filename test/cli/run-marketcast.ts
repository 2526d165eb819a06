import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const COMMAND = fileURLToPath(new URL("../../dist/cli/marketcast.js", import.meta.url));

/** What a finished command leaves. */
export interface Outcome {
  /** Null where a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly process: ChildProcess;
  readonly outcome: Promise<Outcome>;
  /** Resolves with the first match in what the command has printed, rejects when it ends without. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** The same for its standard error. */
  told(pattern: RegExp): Promise<RegExpExecArray>;
}

interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Files that standard output and standard error go to; nothing of them is in the outcome. */
  readonly stdout?: string | undefined;
  readonly stderr?: string | undefined;
}

/** Starts the built command with no more environment than is given. */
export function startMarketcast(args: readonly string[], options: RunOptions): RunningCommand {
  return watch(process.execPath, [COMMAND, ...args], options);
}

function watch(program: string, args: readonly string[], options: RunOptions): RunningCommand {
  const files = [options.stdout, options.stderr].map((path) =>
    path === undefined ? "pipe" : openSync(path, "w"),
  );
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { PATH: process.env["PATH"], ...options.env },
    stdio: ["ignore", ...files],
  });
  for (const file of files) if (typeof file === "number") closeSync(file);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  const matched = (pattern: RegExp, stream: Readable | null, text: () => string) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(text());
        if (match !== null) resolve(match);
      };
      stream?.on("data", look);
      child.on("close", () => reject(new Error(`ended without ${pattern}: ${stdout}${stderr}`)));
      look();
    });
  return {
    process: child,
    outcome,
    printed: (pattern) => matched(pattern, child.stdout, () => stdout),
    told: (pattern) => matched(pattern, child.stderr, () => stderr),
  };
}

/** Runs the built command to its end. */
export function runMarketcast(args: readonly string[], options: RunOptions): Promise<Outcome> {
  return startMarketcast(args, options).outcome;
}

/** Whether `script`, which gives a command a terminal, is here as Linux has it. */
export const hasTerminal = spawnSync("script", ["--version"]).status === 0;

/** Runs the built command to its end on a terminal of its own; all that it prints is `stdout`. */
export function runOnTerminal(args: readonly string[], options: RunOptions): Promise<Outcome> {
  const command = [process.execPath, COMMAND, ...args].map((word) => `'${word}'`).join(" ");
  return watch("script", ["-qec", command, "/dev/null"], options).outcome;
}
