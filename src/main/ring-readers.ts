import type { Config } from "../config/schema.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { Logger, LogOptions } from "../shared/log.js";
import type { RelayToMain } from "../workers/relay/messages.js";
import { type ArchivistSupervisor, superviseArchive } from "./archivist-supervisor.js";
import { type EdgeShard, superviseRelay } from "./relay-supervisor.js";
import type { RingReaderSupervisor } from "./ring-reader-supervisor.js";

interface ReadersOptions {
  readonly config: Config;
  /** The archive's directory; undefined where nothing is archived. */
  readonly archiveDir: string | undefined;
  readonly counters: SharedArrayBuffer;
  /** The number of this origin, where it is one. */
  readonly fence: () => number;
  readonly log: LogOptions;
}

interface ReadersHooks {
  /** Why one of them is not well, or undefined when it is. */
  readonly health: (source: "archive" | "relay", reason: string | undefined) => void;
  readonly edgeShard: (shard: EdgeShard) => void;
  /** Another origin has taken over. */
  readonly fencedOut: () => void;
  /** How many former threads of one there are that do not end. */
  readonly left: (whose: string, threads: number) => void;
}

/** The threads that read the rings beside the shards: the archivist, and the relay of an origin. */
export class RingReaders {
  /** Undefined where nothing is archived. */
  readonly #archivist: ArchivistSupervisor | undefined;
  /** Undefined where nothing is relayed. */
  readonly #relay: RingReaderSupervisor<RelayToMain> | undefined;

  constructor(options: ReadersOptions, hooks: ReadersHooks, log: Logger) {
    this.#archivist = superviseArchive(
      { ...options, dir: options.archiveDir },
      {
        health: (reason) => hooks.health("archive", reason),
        left: (threads) => hooks.left("the archivist", threads),
      },
      log,
    );
    this.#relay = superviseRelay(
      options,
      {
        health: (reason) => hooks.health("relay", reason),
        left: (threads) => hooks.left("the relay", threads),
        archiveDamaged: (reason) => this.archiveDamaged(reason),
        edgeShard: hooks.edgeShard,
        fencedOut: hooks.fencedOut,
      },
      log,
    );
  }

  /** A producer's memory is the one to read from now on. */
  take(memory: MarketMemory): void {
    this.#archivist?.take(memory);
    this.#relay?.take(memory);
  }

  /** Resolves when the archive is open, or nobody is to wait for it. */
  async opened(): Promise<void> {
    await this.#archivist?.opened();
  }

  archiveDamaged(reason: string): void {
    this.#archivist?.damaged(reason);
  }

  /** Has them do what is left and end, within bounded time. The producer has ended. */
  async stop(): Promise<void> {
    await Promise.all([this.#archivist?.stop(), this.#relay?.stop()]);
  }
}
