import { Worker } from "node:worker_threads";
import type { Logger } from "../shared/log.js";
import type { MainToStandby, StandbyTask, StandbyToMain } from "../workers/standby/messages.js";
import { RestartDelay } from "./restart-delay.js";
import { endThread } from "./thread-end.js";

const WORKER = new URL("../workers/standby/standby-worker.js", import.meta.url);
/** How long the thread may take to close its store, in ms; what it has still to read comes before that. */
const STOP_MS_MAX = 10_000;
const RESTARTING = "the standby's thread ended and is being restarted";

/** Keeps the thread running that follows the exchange's journal, while this node stands by. */
export class StandbySupervisor {
  readonly #task: StandbyTask;
  readonly #log: Logger;
  readonly #delay = new RestartDelay();
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  #stopping = false;
  #reason: string | undefined;
  #isHeir = false;

  constructor(task: StandbyTask, log: Logger) {
    this.#task = task;
    this.#log = log;
  }

  /** Why it does not have all that the exchange has; undefined where it follows. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Whether this node may go on with the history of the exchange, as far as it knows; before it follows, it may try. */
  get mayTakeOver(): boolean {
    return this.#worker === undefined || this.#isHeir;
  }

  /** Follows from now on, unless this node is the exchange by now, or stops. */
  start(): void {
    if (this.#stopping) return;
    const worker = new Worker(WORKER, { workerData: this.#task, name: "standby" });
    this.#worker = worker;
    this.#delay.started();
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve()));
    worker.on("message", (message: StandbyToMain) => {
      if (message.type === "heir") this.#isHeir = message.isHeir;
      else this.#reason = message.reason;
    });
    worker.on("error", (error) => this.#log.error({ err: error }, "the standby failed"));
    void this.#exited.then(() => this.#onExit());
  }

  /** Resolves when its store has all that can be had, and is closed for the exchange to open. */
  takeOver(): Promise<void> {
    return this.#end({ type: "take-over" });
  }

  stop(): Promise<void> {
    return this.#end({ type: "stop" });
  }

  async #end(message: MainToStandby): Promise<void> {
    this.#stopping = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    await endThread(
      {
        ask: () => worker.postMessage(message),
        terminate: () => worker.terminate(),
        exited: this.#exited,
      },
      STOP_MS_MAX,
    );
  }

  #onExit(): void {
    this.#isHeir = false;
    if (this.#stopping) return;
    this.#reason = RESTARTING;
    const delay = this.#delay.next();
    this.#log.warn({ delay }, "the standby is restarted");
    setTimeout(() => this.start(), delay).unref();
  }
}
