import { archiveDirectoryOf, requireDataDirectory } from "../config/data-directory.js";
import { type Examined, examineConfig } from "../config/examine.js";
import { type JwtKeys, resolveJwtKeys } from "../config/jwt-keys.js";
import { type LoadedConfig, loadConfigWithSources } from "../config/load.js";
import type { ServerOptions } from "../config/server-options.js";
import { shardOptionsOf } from "../config/thread-options.js";
import { count, counterBlockOf, createCounterBuffer, THREAD } from "../counters/counters.js";
import { createLogger } from "../shared/log.js";
import { findSocketHandOff, type SocketHandOffWay } from "../transport/socket-hand-off.js";
import { abortion } from "./abortion.js";
import { logOptionsOf } from "./log-options.js";
import { sendsNatively } from "./native-send.js";
import type { RunningServer } from "./running-server.js";
import { Server } from "./server.js";

interface StartOptions {
  /** Stops the server: while it starts, at once, and later as {@link RunningServer.stop} does. */
  readonly signal?: AbortSignal;
}

/**
 * Starts a server in this process; resolves when it takes connections. Without options it is that of
 * `marketcast serve` without flags; the environment is not read, but for NODE_ENV.
 * Rejects with a ConfigurationError or ProducerStartError, with Node's error where
 * a port cannot be opened, and with the signal's reason where that aborts before the start is
 * complete; nothing keeps running then.
 */
export async function startServer(
  options: ServerOptions = {},
  start: StartOptions = {},
): Promise<RunningServer> {
  const { NODE_ENV } = process.env;
  return runServer(loadConfigWithSources({ options, env: { NODE_ENV } }), start);
}

/** As {@link startServer}, with a configuration that is loaded already. */
export async function runServer(
  loaded: LoadedConfig,
  { signal }: StartOptions = {},
): Promise<RunningServer> {
  const { config } = loaded;
  const aborted = abortion(signal);
  const counters = createCounterBuffer(config.shards);
  const { main } = counterBlockOf(counters);
  const log = logOptionsOf(config);
  const logger = createLogger(log, { thread: "main" }, (lines) =>
    count(main, THREAD.logDropped, lines),
  );
  const [examined, jwt, handOff] = await Promise.race([prepare(loaded), aborted]);
  for (const { level, message } of examined.remarks) logger[level](message);
  const nativeSend = await Promise.race([sendsNatively(config.nativeSend, logger), aborted]);
  const shard = shardOptionsOf(config, jwt, nativeSend, archiveDirectoryOf(loaded));
  const server = new Server(config, examined, shard, handOff, counters, log, logger);
  try {
    await server.start(aborted);
  } catch (error) {
    await server.abandon();
    throw error;
  }
  const stop = (): void => void server.stop();
  if (signal?.aborted === true) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  return server;
}

/** What has to be there before anything can start. */
async function prepare(loaded: LoadedConfig): Promise<[Examined, JwtKeys, SocketHandOffWay]> {
  const { config } = loaded;
  const examined = await examineConfig(loaded);
  if (config.feed === "exchange") await requireDataDirectory(config.dataDir);
  return [examined, await resolveJwtKeys(config), await findSocketHandOff()];
}
