import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/schema.js";
import { ARCHIVIST, type CounterSection, counterBlockOf } from "../counters/counters.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { Logger, LogOptions } from "../shared/log.js";
import type { ArchivistTask, ArchivistToMain } from "../workers/archivist/messages.js";
import { type RingReaderHooks, RingReaderSupervisor } from "./ring-reader-supervisor.js";

const WORKER = new URL("../workers/archivist/archivist-worker.js", import.meta.url);
/** How long the server's first clients may wait for the archive to be opened, and how often it is looked for, in ms. */
const OPENING_MS_MAX = 2000;
const OPENING_LOOK_MS = 10;
const RESTARTING = "the archivist ended and is being restarted; history may be behind";

interface ArchivistOptions {
  readonly task: Omit<ArchivistTask, "archivist" | "memories" | "memoriesLeftOut" | "damage">;
  readonly stallTimeoutMs: number;
}

/** Keeps an archivist thread running. */
export class ArchivistSupervisor {
  readonly #counters: CounterSection;
  readonly #reader: RingReaderSupervisor<ArchivistToMain>;
  #damage: string | undefined;

  constructor(
    { task, stallTimeoutMs }: ArchivistOptions,
    counters: CounterSection,
    hooks: RingReaderHooks,
    log: Logger,
  ) {
    this.#counters = counters;
    this.#reader = new RingReaderSupervisor<ArchivistToMain>(
      {
        name: "archivist",
        worker: WORKER,
        task: ({ memories, memoriesLeftOut }): ArchivistTask => {
          const damage = this.#damage;
          this.#damage = undefined;
          return { ...task, archivist: true, memories, memoriesLeftOut, damage };
        },
        stallTimeoutMs,
        counters,
        startsWord: ARCHIVIST.starts,
        restarting: RESTARTING,
        message: ({ reason }) => hooks.health(reason),
      },
      hooks,
      log,
    );
  }

  /** A producer's memory is the one to read from now on; with the first one the archivist starts. */
  take(memory: MarketMemory): void {
    this.#reader.take(memory);
  }

  /** Resolves when the archive is open, or has not been for so long that nobody is to wait for it. */
  async opened(): Promise<void> {
    const signal = AbortSignal.timeout(OPENING_MS_MAX);
    while (this.#counters[ARCHIVIST.generation] === 0 && !signal.aborted)
      await sleep(OPENING_LOOK_MS);
  }

  /** A reader has found the archive damaged: another archivist moves it aside. */
  damaged(reason: string): void {
    if (this.#damage !== undefined) return;
    this.#damage = reason;
    if (!this.#reader.restart()) this.#damage = undefined;
    // Readers leave it at once.
    else this.#counters[ARCHIVIST.generation] = 0;
  }

  /** Has what was told archived and ends the thread, within bounded time. The producer has ended. */
  stop(): Promise<void> {
    return this.#reader.stop();
  }
}

interface Archive {
  readonly config: Config;
  /** The archive's directory; undefined where nothing is archived. */
  readonly dir: string | undefined;
  readonly counters: SharedArrayBuffer;
  readonly log: LogOptions;
}

/** The supervisor of a server's archivist; undefined where nothing is archived. */
export function superviseArchive(
  { config, dir, counters, log }: Archive,
  hooks: RingReaderHooks,
  logger: Logger,
): ArchivistSupervisor | undefined {
  if (dir === undefined) return undefined;
  const task = {
    counters,
    dir,
    storeIn: config.feed === "exchange" ? config.dataDir : undefined,
    relayed: config.feed === "relay",
    retentionMs: config.archiveRetentionMs,
    bytesMax: config.archiveSize,
    log,
  };
  const { archivist } = counterBlockOf(counters);
  return new ArchivistSupervisor(
    { task, stallTimeoutMs: config.stallTimeoutMs },
    archivist,
    hooks,
    logger,
  );
}
