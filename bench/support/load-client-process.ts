import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { hasEnded, nextMessage, waitForExit } from "./child.js";
import type {
  CloseReply,
  IntervalReply,
  IntervalRequest,
  LoadReply,
  LoadRequest,
  OpenReply,
  OpenRequest,
} from "./load-messages.js";

const ENTRY = fileURLToPath(new URL("./load-client.js", import.meta.url));

/** A load client in a process of its own. Requests are answered one after the other. */
export class LoadClient {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(): LoadClient {
    return new LoadClient(fork(ENTRY));
  }

  /** Opens connections; see {@link OpenRequest}. Those that did not arrive in time stay underway. */
  async open(request: Omit<OpenRequest, "kind">): Promise<OpenReply> {
    return (await this.#ask({ kind: "open", ...request })) as OpenReply;
  }

  /** Ends an interval, starts the next, and tells what came in the one that ended. */
  async interval(sampleEvery: IntervalRequest["sampleEvery"]): Promise<IntervalReply> {
    return (await this.#ask({ kind: "interval", sampleEvery })) as IntervalReply;
  }

  /** Resets all connections. */
  async closeConnections(): Promise<void> {
    (await this.#ask({ kind: "close" })) as CloseReply;
  }

  /** Resets all connections and ends the process, where it has not ended by itself. */
  async stop(): Promise<void> {
    if (hasEnded(this.#child)) return;
    await this.closeConnections();
    const exit = waitForExit(this.#child);
    this.#child.disconnect();
    await exit;
  }

  async #ask(request: LoadRequest): Promise<LoadReply> {
    const reply = nextMessage<LoadReply>(this.#child);
    this.#child.send(request);
    return await reply;
  }
}
