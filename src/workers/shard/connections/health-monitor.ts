import { FRAME } from "../../../codec/frame-writer.js";
import type { ShardOptions } from "../../../config/thread-options.js";
import { CLOSE } from "../../../contract/closings.js";
import type { Connection } from "./connection.js";

type HealthOptions = Pick<
  ShardOptions,
  "pingIntervalMs" | "pongTimeoutMs" | "idleTimeoutMs" | "idleCheckIntervalMs" | "messageTimeoutMs"
>;

const PING = Buffer.of(FRAME.ping, 0);
/** Longest time between two looks at all connections. */
const SCAN_INTERVAL_MS_MAX = 1000;

/**
 * Pings every connection in its turn and closes those that neither answer nor take what waits for them, that
 * do not end a message, whose token has expired, or that have had neither subscription nor message for too
 * long. One timer looks at all of them: a timer each would cost more than the look, and would not follow a
 * clock that is set.
 */
export class HealthMonitor {
  readonly #options: HealthOptions;
  readonly #connections: Iterable<Connection>;
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(options: HealthOptions, connections: Iterable<Connection>) {
    this.#options = options;
    this.#connections = connections;
    const scan = Math.min(
      SCAN_INTERVAL_MS_MAX,
      options.pingIntervalMs / 4,
      options.pongTimeoutMs / 4,
      options.messageTimeoutMs / 4,
    );
    this.#timers = [
      setInterval(() => this.#scan(), Math.max(1, Math.floor(scan))),
      setInterval(() => this.#checkIdle(), options.idleCheckIntervalMs),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #scan(): void {
    const { pingIntervalMs, pongTimeoutMs, messageTimeoutMs } = this.#options;
    const now = performance.now();
    const wallNow = Date.now();
    for (const connection of this.#connections) {
      if (!connection.open || connection.closeExpired(wallNow)) continue;
      // What waits for its turn, or for an allowance, may be all that it is asked for here. What waits for
      // the client to take first data shows nothing.
      if (connection.socket.readableLength > 0 && connection.state !== "stalled") continue;
      const { pingedAt, heardAt, unfinishedSince } = connection;
      if (unfinishedSince > 0 && now - unfinishedSince >= messageTimeoutMs) {
        connection.close(CLOSE.unendedMessage(messageTimeoutMs));
        continue;
      }
      if (pingedAt > 0 && heardAt < pingedAt) {
        // Its answer waits behind what it takes, or at a door that is shut for its own requests' sake.
        const detained = connection.state === "loading";
        if (connection.hasTakenMore() || detained) connection.silentSince = now;
        else if (now - connection.silentSince >= pongTimeoutMs)
          connection.close(CLOSE.pongTimeout(pongTimeoutMs));
      } else if (now - Math.max(pingedAt, connection.openedAt) >= pingIntervalMs) {
        connection.pingedAt = connection.silentSince = now;
        connection.control(PING);
        connection.hasTakenMore();
      }
    }
  }

  #checkIdle(): void {
    const { idleTimeoutMs } = this.#options;
    const now = performance.now();
    for (const connection of this.#connections) {
      if (connection.subscribed || now - connection.messageAt < idleTimeoutMs) continue;
      connection.close(CLOSE.idle(idleTimeoutMs));
    }
  }
}
