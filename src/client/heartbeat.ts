import { Alarm } from "./alarm.js";

interface HeartbeatOptions {
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
}

/** Pings while there is a connection, and finds out when it is dead. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #ping: () => boolean;
  readonly #received: () => number;
  readonly #dead: () => void;
  readonly #alarm = new Alarm();

  /**
   * @param ping sends one; false where it has to wait, so that nothing can be said
   * @param received counts the messages received: any of them is a sign of life
   * @param dead is called when there was none within the pong timeout
   */
  constructor(
    options: HeartbeatOptions,
    ping: () => boolean,
    received: () => number,
    dead: () => void,
  ) {
    this.#options = options;
    this.#ping = ping;
    this.#received = received;
    this.#dead = dead;
  }

  start(): void {
    const { pingIntervalMs, pongTimeoutMs } = this.#options;
    if (pingIntervalMs === 0) return;
    this.#alarm.set(pingIntervalMs, () => {
      const before = this.#received();
      if (!this.#ping()) return this.start();
      const judge = (): void => {
        if (this.#received() === before) this.#dead();
        else this.start();
      };
      // In two halves: after a long stall of this process the first one is late, and what arrived
      // meanwhile is read before the second.
      this.#alarm.set(pongTimeoutMs / 2, () => {
        if (this.#received() === before) this.#alarm.set(pongTimeoutMs / 2, judge);
        else this.start();
      });
    });
  }

  stop(): void {
    this.#alarm.clear();
  }
}
