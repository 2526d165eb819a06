import { Worker } from "node:worker_threads";
import { type CounterSection, count } from "../counters/counters.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { Logger } from "../shared/log.js";
import type { MainToRingReader } from "../workers/messages.js";
import { RestartDelay } from "./restart-delay.js";
import { endThread } from "./thread-end.js";
import { Watchdog } from "./watchdog.js";

/** Producers whose rings are kept for a reader that is not there: the present one and one before. */
const MEMORIES_MAX = 2;
/** How long a reader may take for what is left when the server stops, in ms. */
const STOP_MS_MAX = 5000;

/** What a thread that reads every producer's rings is started with, beside its own task. */
interface ReadMemories {
  readonly memories: readonly MarketMemory[];
  /** Whether there were others before these. */
  readonly memoriesLeftOut: boolean;
  /** It is not the first such thread of this server. */
  readonly resumes: boolean;
}

interface RingReaderOptions<Message> {
  /** Of the thread, for the log. */
  readonly name: string;
  readonly worker: URL;
  /** Its workerData. */
  readonly task: (memories: ReadMemories) => unknown;
  readonly stallTimeoutMs: number;
  readonly counters: CounterSection;
  /** Where threads started are counted. */
  readonly startsWord: number;
  /** What is wrong while the thread is restarted. */
  readonly restarting: string;
  readonly message: (message: Message) => void;
}

export interface RingReaderHooks {
  /** Why it is not well, or undefined when it is. */
  readonly health: (reason: string | undefined) => void;
  /** How many former threads there are that do not end. */
  readonly left: (threads: number) => void;
}

interface ReaderLife {
  readonly worker: Worker;
  readonly watchdog: Watchdog;
  readonly exited: Promise<void>;
  ending: boolean;
  leftBehind: boolean;
}

/** Keeps a thread running that reads the rings beside the shards. Whatever becomes of it, nobody waits for it. */
export class RingReaderSupervisor<Message> {
  readonly #options: RingReaderOptions<Message>;
  readonly #hooks: RingReaderHooks;
  readonly #log: Logger;
  readonly #delay = new RestartDelay();
  #memories: readonly MarketMemory[] = [];
  #memoriesLeftOut = false;
  #life: ReaderLife | undefined;
  #startedBefore = false;
  #stopping = false;
  #left = 0;

  constructor(options: RingReaderOptions<Message>, hooks: RingReaderHooks, log: Logger) {
    this.#options = options;
    this.#hooks = hooks;
    this.#log = log;
  }

  /** A producer's memory is the one to read from now on; with the first one the thread starts. */
  take(memory: MarketMemory): void {
    const all = [...this.#memories, memory];
    this.#memoriesLeftOut ||= all.length > MEMORIES_MAX;
    this.#memories = all.slice(-MEMORIES_MAX);
    if (all.length === 1) this.#start();
    else this.#tell({ type: "memory", memory });
  }

  /** Has another thread take this one's place, if it is not ending already; returns whether it has. */
  restart(): boolean {
    const life = this.#life;
    if (life === undefined || life.ending) return false;
    this.#end(life);
    return true;
  }

  /** Has the thread do what is left and end, within bounded time. The producer has ended. */
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

  #tell(message: MainToRingReader): void {
    this.#life?.worker.postMessage(message);
  }

  #start(): void {
    const { name, worker: url, task, stallTimeoutMs, counters, startsWord } = this.#options;
    const workerData = task({
      memories: this.#memories,
      memoriesLeftOut: this.#memoriesLeftOut,
      resumes: this.#startedBefore,
    });
    this.#startedBefore = true;
    const worker = new Worker(url, { workerData, name });
    count(counters, startsWord);
    this.#delay.started();
    const watchdog = new Watchdog(counters, stallTimeoutMs, () => {
      this.#log.error({ stallTimeoutMs }, `the ${name} shows no life and is restarted`);
      this.#end(life);
    });
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const life: ReaderLife = { worker, watchdog, exited, ending: false, leftBehind: false };
    this.#life = life;
    worker.on("message", (message: Message) => {
      if (!life.ending) this.#options.message(message);
    });
    worker.on("error", (error) => this.#log.error({ err: error }, `the ${name} failed`));
    void exited.then(() => this.#onExit(life));
  }

  #end(life: ReaderLife): void {
    if (life.ending || this.#stopping) return;
    life.ending = true;
    life.watchdog.stop();
    this.#hooks.health(this.#options.restarting);
    const { worker, exited } = life;
    void endThread({
      ask: () => worker.postMessage({ type: "end" } satisfies MainToRingReader),
      terminate: () => worker.terminate(),
      exited,
    }).then((ended) => {
      if (ended) return;
      life.leftBehind = true;
      this.#hooks.left(++this.#left);
    });
  }

  #onExit(life: ReaderLife): void {
    life.watchdog.stop();
    if (life.leftBehind) this.#hooks.left(--this.#left);
    if (this.#stopping) return;
    if (!life.ending) this.#hooks.health(this.#options.restarting);
    life.ending = true;
    const delay = this.#delay.next();
    this.#log.warn({ delay }, `the ${this.#options.name} is restarted`);
    setTimeout(() => {
      if (!this.#stopping) this.#start();
    }, delay).unref();
  }
}
