import { openDescriptors } from "./process-figures.js";
import type { ServerProcess } from "./server-process.js";
import { until } from "./until.js";

/** What `/status` says of one shard, as far as tests look at it. */
export interface ShardRow {
  readonly shard: number;
  readonly ready: boolean;
  readonly connections: number;
  readonly sockets: number;
  readonly conflated: number;
  readonly lapped: number;
}

export interface Status {
  readonly status: { readonly state: string; readonly connections: number };
  readonly shards: readonly ShardRow[];
}

/** `/status`, over a connection of its own that leaves no descriptor behind. */
export async function statusOf(server: ServerProcess): Promise<Status> {
  return (await (await get(server, "/status")).json()) as Status;
}

/** HTTP status of `/readyz` with its state. */
export async function readinessOf(
  server: ServerProcess,
): Promise<{ readonly code: number; readonly state: string; readonly reasons: readonly string[] }> {
  const response = await get(server, "/readyz");
  return { code: response.status, ...((await response.json()) as { state: string; reasons: [] }) };
}

/**
 * Resolves when every shard is up and ready. A server that has no descriptor to answer with resets
 * the connection: it is not ready.
 */
export async function untilReady(server: ServerProcess, timeoutMs = 10_000): Promise<void> {
  let last = "";
  await until(
    "/readyz is 200",
    async () => {
      const answer = await readinessOf(server).catch(unreachable);
      last = JSON.stringify(answer);
      return answer?.code === 200;
    },
    timeoutMs,
    () => last,
  );
}

/** Nothing in place of an answer where the connection was not accepted, or was reset; fails else. */
function unreachable(error: Error): undefined {
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
  if (code !== "ECONNRESET" && code !== "UND_ERR_SOCKET") throw error;
}

/**
 * Resolves when all shards are up, none has a connection, and the process has at most `descriptors`
 * open: everything that clients had opened is closed.
 */
export async function untilEmpty(server: ServerProcess, descriptors: number): Promise<void> {
  let last = "";
  await until(
    `no connection, and ${descriptors} open descriptors`,
    async () => {
      const answer = await statusOf(server).catch(unreachable);
      if (answer === undefined) return false;
      const { shards, status } = answer;
      const open = openDescriptors(server.pid);
      last = `${JSON.stringify(shards)}, ${open} descriptors`;
      return (
        status.connections === 0 &&
        shards.every(({ ready, connections, sockets }) => ready && connections + sockets === 0) &&
        open <= descriptors
      );
    },
    15_000,
    () => last,
  );
}

function get(server: ServerProcess, path: string): Promise<Response> {
  const headers = { connection: "close" };
  return fetch(`http://127.0.0.1:${server.opsPort}${path}`, { headers });
}
