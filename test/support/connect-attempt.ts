import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";

/** Far longer than the server takes for anything that happens in a test. */
const HUNG_AFTER_MS = 15_000;

/**
 * A client that connects and subscribes while the server is in trouble. It ends up served, which is
 * when its subscription is acknowledged, or closed; a third outcome fails the test.
 */
export class ConnectAttempt {
  /** Resolves when the TCP connection stands or has failed. */
  readonly connected: Promise<void>;
  readonly outcome: Promise<"served" | "closed">;
  readonly #ws: WebSocket;
  readonly #closed: Promise<void>;

  /** @param subscribe the request, as text */
  constructor(port: number, subscribe: string) {
    let socket: Socket | undefined;
    this.#ws = new WebSocket(`ws://127.0.0.1:${port}/ws/v3`, {
      createConnection: () => {
        socket = connect(port, "127.0.0.1");
        return socket;
      },
    });
    const ws = this.#ws;
    ws.on("error", () => {});
    ws.on("open", () => ws.send(subscribe));
    this.#closed = new Promise<void>((resolve) => ws.once("close", () => resolve()));
    this.connected = new Promise((resolve) => {
      socket?.once("connect", () => resolve());
      socket?.once("close", () => resolve());
    });
    this.outcome = new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error("a client was neither served nor closed")),
        HUNG_AFTER_MS,
      );
      const decide = (outcome: "served" | "closed"): void => {
        clearTimeout(timer);
        resolve(outcome);
      };
      ws.on("message", (data: Buffer) => {
        if (data.includes('"Subscribed"')) decide("served");
      });
      ws.on("close", () => decide("closed"));
    });
    // Looked at later than it may fail.
    this.outcome.catch(() => {});
  }

  /** Closes the connection where it is open still; resolves when it has ended. */
  async leave(): Promise<void> {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.close(1000);
    await this.#closed;
  }
}
