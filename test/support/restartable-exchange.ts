import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import {
  type Flags,
  type ServerProcess,
  type StartOptions,
  startServerProcess,
} from "./server-process.js";
import { QUIET_EXCHANGE, temporaryDirectory } from "./trading.js";

/**
 * For each test of a file a folder of its own, in which servers with the exchange are started one after the
 * other on the same data. The last one is ended, and the folder removed, behind the test.
 * @param optionsIn how servers in a folder are started, beside `threadEnds`
 */
export function restartableExchange(
  usual: Flags = {},
  optionsIn: (folder: string) => StartOptions = () => ({}),
) {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let server: ServerProcess | undefined;
  beforeEach(async () => {
    folder = await temporaryDirectory();
  });
  afterEach(async () => {
    await server?.dispose();
    await folder.remove();
  });
  return {
    folder: (): string => folder.path,
    async start(flags: Flags = {}): Promise<ServerProcess> {
      const dataDir = { "data-dir": join(folder.path, "data") };
      server = await startServerProcess(
        { ...QUIET_EXCHANGE, ...dataDir, ...usual, ...flags },
        { threadEnds: true, ...optionsIn(folder.path) },
      );
      return server;
    },
  };
}
