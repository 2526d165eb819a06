import { readFile } from "node:fs/promises";
import { createClient, createSentinel, RESP_TYPES, type RedisArgument } from "redis";
import { CodedError } from "../shared/coded-error.js";
import type { HostAndPort, RelayTarget, RelayTls } from "../shared/relay-url.js";

/** Longest time until a connection is there, with its log-in, and until a command is answered, in ms. */
const CONNECT_MS_MAX = 2000;
export const ANSWER_MS_MAX = 2000;

type RedisErrorCode = "REDIS_UNREACHABLE" | "REDIS_SILENT" | "REDIS_REFUSED";

/** Redis cannot be reached, does not answer in time, or does not do what it is asked. */
export class RedisLinkError extends CodedError<RedisErrorCode> {}

/** What Redis answers, in its second protocol; texts are bytes. */
export type RedisReply = null | number | string | Buffer | readonly RedisReply[];

/**
 * One connection to Redis. It is never made anew: with its first fault it is of no use any more, and its owner
 * opens another one and decides what is to be said again. So nothing is ever repeated by itself.
 */
export interface RedisLink {
  /**
   * Resolves with the answer; rejects with RedisLinkError. Commands are sent in their order.
   * @param answerMsMax how long it may take, in ms; with 0 the caller looks after that
   */
  send(command: readonly RedisArgument[], answerMsMax?: number): Promise<RedisReply>;
  /** Why it is of no use any more; undefined while it is. */
  readonly fault: Error | undefined;
  close(): void;
}

/** Opens a connection to the Redis that takes writes. Rejects with RedisLinkError. */
export async function openRedis(target: RelayTarget): Promise<RedisLink> {
  const tls = target.tls === undefined ? undefined : await tlsOptions(target.tls);
  const node = target.sentinelName === undefined ? target.nodes[0] : await masterOf(target, tls);
  return connect(node as HostAndPort, target, tls);
}

type TlsOptions = Awaited<ReturnType<typeof tlsOptions>>;

async function tlsOptions({ ca, cert, key, servername }: RelayTls) {
  const content = (path: string | undefined) => (path === undefined ? undefined : readFile(path));
  try {
    const [caBytes, certBytes, keyBytes] = await Promise.all([ca, cert, key].map(content));
    return {
      tls: true as const,
      ...(caBytes === undefined ? {} : { ca: caBytes }),
      ...(certBytes === undefined ? {} : { cert: certBytes }),
      ...(keyBytes === undefined ? {} : { key: keyBytes }),
      ...(servername === undefined ? {} : { servername }),
    };
  } catch (error) {
    throw unreachable("a file of its TLS cannot be read", error);
  }
}

function socketOptions(tls: TlsOptions | undefined) {
  return { connectTimeout: CONNECT_MS_MAX, reconnectStrategy: false as const, ...tls };
}

/** The Redis that the sentinels name. */
async function masterOf(target: RelayTarget, tls: TlsOptions | undefined): Promise<HostAndPort> {
  const { nodes, sentinelName = "", sentinel } = target;
  const client = createSentinel({
    name: sentinelName,
    sentinelRootNodes: [...nodes],
    maxCommandRediscovers: 0,
    nodeClientOptions: { ...credentialsOf(target), socket: socketOptions(tls) },
    sentinelClientOptions: { ...credentialsOf(sentinel), socket: socketOptions(tls) },
  });
  client.on("error", () => {});
  try {
    await within(client.connect(), CONNECT_MS_MAX);
    const node = client.getMasterNode();
    if (node === undefined) throw new Error(`they know of no ${sentinelName}`);
    return node;
  } catch (error) {
    throw unreachable("its sentinels do not lead to it", error);
  } finally {
    void Promise.resolve(client.destroy()).catch(() => {});
  }
}

function credentialsOf({ username, password }: Pick<RelayTarget, "username" | "password">) {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

async function connect(
  { host, port }: HostAndPort,
  target: RelayTarget,
  tls: TlsOptions | undefined,
): Promise<RedisLink> {
  const client = createClient({
    ...credentialsOf(target),
    database: target.database,
    socket: { host, port, ...socketOptions(tls) },
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: "disabled",
  });
  let fault: Error | undefined;
  client.on("error", (error: Error) => {
    fault ??= error;
  });
  const close = (): void => {
    fault ??= new RedisLinkError("REDIS_UNREACHABLE", "redis: the connection was closed");
    if (client.isOpen) client.destroy();
  };
  try {
    await within(client.connect(), CONNECT_MS_MAX);
  } catch (error) {
    close();
    throw unreachable(`${host}:${port}`, error);
  }
  const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
  return {
    send: async (command, answerMsMax = ANSWER_MS_MAX) => {
      try {
        // Without its own time limit, which makes an AbortSignal for each command.
        const options = { typeMapping, timeout: 0 };
        const answer = client.sendCommand<RedisReply>(command, options);
        return await (answerMsMax === 0 ? answer : within(answer, answerMsMax));
      } catch (error) {
        if (error instanceof RedisLinkError) close();
        if (fault !== undefined) throw unreachable(`${host}:${port}`, error);
        throw new RedisLinkError("REDIS_REFUSED", `redis: ${messageOf(error)}`, { cause: error });
      }
    },
    get fault() {
      return fault;
    },
    close,
  };
}

/** Rejects with RedisLinkError where an answer takes longer than so many ms. */
function within<T>(answer: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new RedisSilence(ms)), ms);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** No answer has come in so many ms. */
export class RedisSilence extends RedisLinkError {
  constructor(ms: number) {
    super("REDIS_SILENT", `redis: no answer within ${ms} ms`);
  }
}

function unreachable(what: string, error: unknown): RedisLinkError {
  if (error instanceof RedisLinkError) return error;
  const text = `redis: ${what}: ${messageOf(error)}`;
  return new RedisLinkError("REDIS_UNREACHABLE", text, { cause: error });
}

function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
}
