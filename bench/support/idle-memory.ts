import { LoadClient } from "./load-client-process.js";
import { residentBytes } from "./process-figures.js";
import { type ServerName, startServer } from "./server-under-test.js";
import { seconds } from "./wait.js";

/** As quiet as a feed may be: the connections are what is to be weighed. */
const QUIET_OFFER = { rate: 1, markets: 50, batchMax: 1, messageBytes: 150 };
const CONNECT_CONCURRENCY = 200;
const CONNECT_TIMEOUT_MS = 60_000;
const SETTLING_SECONDS = 2;

export interface IdleMemory {
  readonly connections: number;
  readonly bytesPerConnection: number;
  /** VmRSS of the server's process, without and with the connections. */
  readonly bytesBefore: number;
  readonly bytesWith: number;
}

/**
 * Weighs `connections` upgraded connections that say nothing, as the operator sees them: VmRSS, with
 * no collection asked for. A baseline's connections are subscribed by the server in either case.
 */
export async function bytesPerIdleConnection(
  name: ServerName,
  connections: number,
  subscribed: boolean,
): Promise<IdleMemory> {
  const server = await startServer(name, QUIET_OFFER);
  const client = LoadClient.start();
  try {
    await seconds(SETTLING_SECONDS);
    const bytesBefore = residentBytes(server.pid);
    const { port, path, subprotocol, subscribe } = server;
    const { opened } = await client.open({
      port,
      path,
      ...(subprotocol === undefined ? {} : { subprotocol }),
      ...(subscribed && subscribe !== undefined ? { subscribe } : {}),
      count: connections,
      concurrency: CONNECT_CONCURRENCY,
      until: "upgrade",
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
    if (opened < connections)
      throw new Error(`${name}: only ${opened} of ${connections} clients connected`);
    await seconds(SETTLING_SECONDS);
    const bytesWith = residentBytes(server.pid);
    const bytesPerConnection = (bytesWith - bytesBefore) / connections;
    return { connections, bytesPerConnection, bytesBefore, bytesWith };
  } finally {
    await client.stop();
    await server.stop();
  }
}
