import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Config } from "../config/schema.js";
import { ARCHIVIST, type CounterSection, count, counterBlockOf } from "../counters/counters.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { Logger, LogOptions } from "../shared/log.js";
import type {
  ArchivistTask,
  ArchivistToMain,
  MainToArchivist,
} from "../workers/archivist/messages.js";
import { RestartDelay } from "./restart-delay.js";
import { endThread } from "./thread-end.js";
import { Watchdog } from "./watchdog.js";

const WORKER = new URL("../workers/archivist/archivist-worker.js", import.meta.url);
/** Producers whose rings are kept for an archivist that is not there: the present one and one before. */
const MEMORIES_MAX = 2;
/** How long an archivist may take to write what is left when the server stops, in ms. */
const STOP_MS_MAX = 5000;
/** How long the server's first clients may wait for the archive to be opened, and how often it is looked for, in ms. */
const OPENING_MS_MAX = 2000;
const OPENING_LOOK_MS = 10;
const RESTARTING = "the archivist ended and is being restarted; history may be behind";

interface ArchivistOptions {
  readonly task: Omit<ArchivistTask, "archivist" | "memories" | "memoriesLeftOut" | "damage">;
  readonly stallTimeoutMs: number;
}

interface ArchivistHooks {
  /** Why history is behind, or undefined when it is not. */
  readonly health: (reason: string | undefined) => void;
  /** How many former threads there are that do not end. */
  readonly left: (threads: number) => void;
}

interface ArchivistLife {
  readonly worker: Worker;
  readonly watchdog: Watchdog;
  readonly exited: Promise<void>;
  ending: boolean;
  leftBehind: boolean;
}

/** Keeps an archivist thread running. Whatever becomes of it, nobody waits for it. */
export class ArchivistSupervisor {
  readonly #options: ArchivistOptions;
  readonly #counters: CounterSection;
  readonly #hooks: ArchivistHooks;
  readonly #log: Logger;
  readonly #delay = new RestartDelay();
  #memories: readonly MarketMemory[] = [];
  #memoriesLeftOut = false;
  #life: ArchivistLife | undefined;
  #damage: string | undefined;
  #stopping = false;
  #left = 0;

  constructor(
    options: ArchivistOptions,
    counters: CounterSection,
    hooks: ArchivistHooks,
    log: Logger,
  ) {
    this.#options = options;
    this.#counters = counters;
    this.#hooks = hooks;
    this.#log = log;
  }

  /** A producer's memory is the one to read from now on; with the first one the archivist starts. */
  take(memory: MarketMemory): void {
    const all = [...this.#memories, memory];
    this.#memoriesLeftOut ||= all.length > MEMORIES_MAX;
    this.#memories = all.slice(-MEMORIES_MAX);
    if (all.length === 1) this.#start();
    else this.#tell({ type: "memory", memory });
  }

  /** Resolves when the archive is open, or has not been for so long that nobody is to wait for it. */
  async opened(): Promise<void> {
    const signal = AbortSignal.timeout(OPENING_MS_MAX);
    while (this.#counters[ARCHIVIST.generation] === 0 && !signal.aborted)
      await sleep(OPENING_LOOK_MS);
  }

  /** A reader has found the archive damaged: another archivist moves it aside. */
  damaged(reason: string): void {
    if (this.#life === undefined || this.#life.ending || this.#damage !== undefined) return;
    this.#damage = reason;
    // Readers leave it at once.
    this.#counters[ARCHIVIST.generation] = 0;
    this.#end(this.#life);
  }

  /** Has what was told archived and ends the thread, within bounded time. The producer has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const life = this.#life;
    if (life === undefined) return;
    life.watchdog.stop();
    await endThread(
      {
        ask: () => this.#tell({ type: "stop" }),
        terminate: () => life.worker.terminate(),
        exited: life.exited,
      },
      STOP_MS_MAX,
    );
  }

  #tell(message: MainToArchivist): void {
    this.#life?.worker.postMessage(message);
  }

  #start(): void {
    const { task, stallTimeoutMs } = this.#options;
    const workerData: ArchivistTask = {
      ...task,
      archivist: true,
      memories: this.#memories,
      memoriesLeftOut: this.#memoriesLeftOut,
      damage: this.#damage,
    };
    this.#damage = undefined;
    const worker = new Worker(WORKER, { workerData, name: "archivist" });
    count(this.#counters, ARCHIVIST.starts);
    this.#delay.started();
    const watchdog = new Watchdog(this.#counters, stallTimeoutMs, () => {
      this.#log.error({ stallTimeoutMs }, "the archivist shows no life and is restarted");
      this.#end(life);
    });
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const life: ArchivistLife = { worker, watchdog, exited, ending: false, leftBehind: false };
    this.#life = life;
    worker.on("message", (message: ArchivistToMain) => {
      if (!life.ending) this.#hooks.health(message.reason);
    });
    worker.on("error", (error) => this.#log.error({ err: error }, "the archivist failed"));
    void exited.then(() => this.#onExit(life));
  }

  #end(life: ArchivistLife): void {
    if (life.ending || this.#stopping) return;
    life.ending = true;
    life.watchdog.stop();
    this.#hooks.health(RESTARTING);
    const { worker, exited } = life;
    void endThread({
      ask: () => worker.postMessage({ type: "end" } satisfies MainToArchivist),
      terminate: () => worker.terminate(),
      exited,
    }).then((ended) => {
      if (ended) return;
      life.leftBehind = true;
      this.#hooks.left(++this.#left);
    });
  }

  #onExit(life: ArchivistLife): void {
    life.watchdog.stop();
    if (life.leftBehind) this.#hooks.left(--this.#left);
    if (this.#stopping) return;
    if (!life.ending) this.#hooks.health(RESTARTING);
    life.ending = true;
    const delay = this.#delay.next();
    this.#log.warn({ delay }, "the archivist is restarted");
    setTimeout(() => {
      if (!this.#stopping) this.#start();
    }, delay).unref();
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
  hooks: ArchivistHooks,
  logger: Logger,
): ArchivistSupervisor | undefined {
  if (dir === undefined) return undefined;
  const task = {
    counters,
    dir,
    storeIn: config.feed === "exchange" ? config.dataDir : undefined,
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
