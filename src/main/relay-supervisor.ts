import type { Config } from "../config/schema.js";
import { counterBlockOf } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import type { Logger, LogOptions } from "../shared/log.js";
import { relayTargetOf } from "../shared/relay-url.js";
import type { RelayTask, RelayToMain } from "../workers/relay/messages.js";
import { type RingReaderHooks, RingReaderSupervisor } from "./ring-reader-supervisor.js";

const WORKER = new URL("../workers/relay/relay-worker.js", import.meta.url);
const RESTARTING = "the relay ended and is being restarted; other nodes get nothing new";

/** A shard of another node that wants a way to the exchange, or the sessions; or to the hub. */
export type EdgeShard = Extract<RelayToMain, { readonly type: "edge-shard" | "edge-hub" }>;

interface Relay {
  readonly config: Config;
  /** The archive's directory; undefined where nothing is archived. */
  readonly archiveDir: string | undefined;
  readonly counters: SharedArrayBuffer;
  /** The number of this origin, once it is one. */
  readonly fence: () => number;
  /** Of an exchange that others may stand by for. */
  readonly journal: RelayTask["journal"];
  readonly log: LogOptions;
}

interface RelayHooks extends RingReaderHooks {
  readonly edgeShard: (shard: EdgeShard) => void;
  /** Another origin has taken over. */
  readonly fencedOut: () => void;
  /** The archive is not what was written. */
  readonly archiveDamaged: (reason: string) => void;
}

/** The supervisor of an origin's relay thread; undefined for a server that is none. */
export function superviseRelay(
  { config, archiveDir, counters, fence, journal, log }: Relay,
  hooks: RelayHooks,
  logger: Logger,
): RingReaderSupervisor<RelayToMain> | undefined {
  const { relay, relayPrefix: prefix, relayWindowMs: windowMs, feed, stallTimeoutMs } = config;
  if (relay === undefined || feed === "relay") return undefined;
  const own = {
    counters,
    target: relayTargetOf(relay),
    prefix,
    windowMs,
    numbered: feed === "exchange",
    takesOrders: feed === "exchange",
    maxQueuedBytes: config.relayMaxQueuedBytes,
    archiveDir,
    journal,
    log,
  };
  return new RingReaderSupervisor<RelayToMain>(
    {
      name: "relay",
      worker: WORKER,
      task: ({ memories, resumes }): RelayTask => ({ ...own, fence: fence(), memories, resumes }),
      stallTimeoutMs,
      counters: counterBlockOf(counters).relay,
      startsWord: RELAY.starts,
      restarting: RESTARTING,
      message: (message) => {
        if (message.type === "health") hooks.health(message.reason);
        else if (message.type === "fenced-out") hooks.fencedOut();
        else if (message.type === "archive-damaged") hooks.archiveDamaged(message.reason);
        else hooks.edgeShard(message);
      },
    },
    hooks,
    logger,
  );
}
