import { constants } from "node:os";
import type { Command } from "commander";
import { type RunningServer, runServer } from "../main/server.js";
import { loadCommandConfig } from "./config-flags.js";
import { explainListenError } from "./listen-error.js";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Stops the server at the first signal, as soon as it has started; a second signal ends the process
 * at once, with the exit code that a shell gives for that signal.
 */
function stopOnSignal(starting: Promise<RunningServer>): void {
  let stopping = false;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (stopping) process.exit(128 + constants.signals[signal]);
      stopping = true;
      // A failed start is reported by serve(); a failed stop is unhandled and ends the process.
      starting.then(
        (server) => server.stop(),
        () => {},
      );
    });
  }
}

async function serve(program: Command): Promise<void> {
  const loaded = loadCommandConfig(program);
  const starting = runServer(loaded);
  stopOnSignal(starting);
  let server: RunningServer;
  try {
    server = await starting;
  } catch (error) {
    throw explainListenError(error, loaded.config);
  }
  // The process has no more to do, whatever its feed may have left open, standard input say.
  process.exit(await server.closed);
}

/** `marketcast serve`: runs the server until it is stopped by a signal. */
export function addServeCommand(program: Command): void {
  program
    .command("serve", { isDefault: true })
    .description("run the server (the default command)")
    .action(() => serve(program));
}
