import { LoadClient } from "./load-client-process.js";
import { residentBytes } from "./process-figures.js";
import { type ServerName, type ServerUnderTest, startServer } from "./server-under-test.js";
import { seconds } from "./wait.js";

/** As quiet as a feed may be: the connections are what is to be weighed. */
const QUIET_OFFER = { rate: 1, markets: 50, batchMax: 1, messageBytes: 150 };
const CONNECT_CONCURRENCY = 200;
const CONNECT_TIMEOUT_MS = 60_000;
const COLLECTION_INTERVAL_SECONDS = 1;

export interface IdleMemory {
  readonly connections: number;
  readonly bytesPerConnection: number;
  /** VmRSS of the server's process after garbage collection, without and with the connections. */
  readonly bytesBefore: number;
  readonly bytesWith: number;
  /** Threads that collected their garbage. */
  readonly threads: number;
}

/**
 * Weighs `connections` upgraded connections that subscribe to nothing and say nothing.
 * @param collections garbage collections before each weighing; V8 gives pages back over several
 */
export async function bytesPerIdleConnection(
  name: ServerName,
  connections: number,
  collections: number,
): Promise<IdleMemory> {
  const server = await startServer(name, QUIET_OFFER);
  const client = LoadClient.start();
  try {
    const before = await settledBytes(server, collections);
    const { port, path, subprotocol } = server;
    const { opened } = await client.open({
      port,
      path,
      ...(subprotocol === undefined ? {} : { subprotocol }),
      count: connections,
      concurrency: CONNECT_CONCURRENCY,
      until: "upgrade",
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
    if (opened < connections)
      throw new Error(`${name}: only ${opened} of ${connections} clients connected`);
    const after = await settledBytes(server, collections);
    return {
      connections,
      bytesPerConnection: (after.bytes - before.bytes) / connections,
      bytesBefore: before.bytes,
      bytesWith: after.bytes,
      threads: after.threads,
    };
  } finally {
    await client.stop();
    await server.stop();
  }
}

async function settledBytes(
  server: ServerUnderTest,
  collections: number,
): Promise<{ bytes: number; threads: number }> {
  let threads = 0;
  for (let collection = 0; collection < collections; collection++) {
    await seconds(COLLECTION_INTERVAL_SECONDS);
    threads = await server.collectGarbage();
  }
  return { bytes: residentBytes(server.pid), threads };
}
