import { constants } from "node:os";
import type { Command } from "commander";
import type { RunningServer } from "../main/running-server.js";
import { threadsLeftBehind } from "../main/thread-end.js";
import { loadCommandConfig } from "./config-flags.js";
import { explainListenError } from "./listen-error.js";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Ends the process without waiting for threads that do not end, nor for files that do not open. */
type ExitAtOnce = (code: number) => void;

/** Where libc cannot be called, the process is killed, and its exit code is that of the signal. */
async function loadExitAtOnce(): Promise<ExitAtOnce> {
  try {
    const { exitAtOnce } = await import("../shared/native-process.js");
    return exitAtOnce;
  } catch {
    return () => process.kill(process.pid, "SIGKILL");
  }
}

/** Ends the process when all else is done, among it what the log still has to say. */
function exit(code: number, atOnce?: ExitAtOnce): never {
  if (atOnce !== undefined) process.once("exit", atOnce);
  process.exit(code);
}

async function serve(program: Command): Promise<never> {
  const loaded = loadCommandConfig(program);
  const loading = loadExitAtOnce();
  const stop = new AbortController();
  let started = false;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (!stop.signal.aborted) return stop.abort();
      const code = 128 + constants.signals[signal];
      void loading.then((atOnce) => exit(code, mayBeHeldUp() ? atOnce : undefined));
    });
  }
  /** Whether an orderly exit might wait for ever: for a thread, or for what the start waits for. */
  const mayBeHeldUp = (): boolean => !started || threadsLeftBehind() > 0;
  let server: RunningServer;
  try {
    // Only here, or every other command would load the server before it does anything.
    const { runServer } = await import("../main/start-server.js");
    server = await runServer(loaded, { signal: stop.signal });
  } catch (error) {
    const atOnce = await loading;
    if (error === stop.signal.reason) exit(0, atOnce);
    if (threadsLeftBehind() > 0) process.once("exit", atOnce);
    throw explainListenError(error, loaded.config);
  }
  started = true;
  const code = await server.closed;
  // The process has no more to do, whatever its feed may have left open, standard input say.
  exit(code, mayBeHeldUp() ? await loading : undefined);
}

/** `marketcast serve`: runs the server until it is stopped by a signal. */
export function addServeCommand(program: Command): void {
  program
    .command("serve", { isDefault: true })
    .description("run the server (the default command)")
    .action(() => serve(program));
}
