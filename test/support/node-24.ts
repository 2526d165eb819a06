import { execFile } from "node:child_process";
import { promisify } from "node:util";

const FETCH_TIMEOUT_MS = 60_000;

/**
 * Path of a Node 24, which transfers sockets between threads natively, from the npm registry; or
 * the reason why there is none.
 */
export async function findNode24(): Promise<{ readonly path: string } | { readonly why: string }> {
  try {
    const run = promisify(execFile);
    const { stdout } = await run("npx", ["-y", "node@24", "-p", "process.execPath"], {
      timeout: FETCH_TIMEOUT_MS,
    });
    return { path: stdout.trim() };
  } catch (error) {
    return { why: `npx could not get node@24: ${(error as Error).message.split("\n", 1)[0]}` };
  }
}
