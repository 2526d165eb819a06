import type { ServerMessage } from "../../../contract/messages.js";
import type { CounterBlock } from "../../../counters/counters.js";
import type { SystemState } from "../../../counters/system-state.js";
import { systemStatus } from "../../../counters/system-status.js";
import type { NotificationLevel } from "../../messages.js";
import type { FanOut } from "../fan-out/fan-out.js";
import type { Connection } from "./connection.js";
import type { Outbox } from "./outbox.js";

/** What a shard tells its clients of the server itself: its status, and main's notifications. */
export class Notices {
  readonly #block: CounterBlock;
  readonly #fanOut: FanOut;
  readonly #outbox: Outbox;
  readonly #connections: Iterable<Connection>;
  #system: SystemState;

  constructor(
    block: CounterBlock,
    fanOut: FanOut,
    outbox: Outbox,
    connections: Iterable<Connection>,
    system: SystemState,
  ) {
    this.#block = block;
    this.#fanOut = fanOut;
    this.#outbox = outbox;
    this.#connections = connections;
    this.#system = system;
  }

  /** The state of the system is another one, as its subscribers are told at once. */
  changeSystem(system: SystemState): void {
    this.#system = system;
    this.broadcastStatus();
  }

  status(): ServerMessage<"SystemStatus"> {
    return { type: "SystemStatus", data: { status: systemStatus(this.#system, this.#block) } };
  }

  broadcastStatus(): void {
    const message = this.status();
    for (const audience of this.#fanOut.audiences) {
      if (audience.subscriptions.systemStatus) this.#outbox.broadcast(audience.members, message);
    }
  }

  /** Tells every connection that it will be closed, until a time in microseconds, and why. */
  shutdown(deadlineTs: number, reason: string): void {
    const data = { deadline_ts: deadlineTs, reason };
    this.#outbox.broadcast(
      this.#connections,
      { type: "ServerShutdown", data },
      { type: "Notification", data: { level: "warning", message: reason } },
    );
  }

  /** Tells every connection, whatever it has subscribed to. */
  notify(level: NotificationLevel, message: string): void {
    this.#outbox.broadcast(this.#connections, { type: "Notification", data: { level, message } });
  }
}
