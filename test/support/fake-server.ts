// Loaded on demand by the client, which takes time that is none of a fake clock's.
import "../../src/client/history-pages.js";
import "../../src/client/presence-watch.js";
import "../../src/client/resubscriber.js";
import "../../src/client/stale-watch.js";
import "../../src/client/token-renewal.js";
import type { Platform, TransportEvents } from "../../src/client/platform.js";
import type { ClientMessage, ServerMessage } from "../../src/contract/messages.js";

/** What a fake server does with a message; undefined is no answer at all. */
export type Answering = (
  message: ClientMessage,
  connection: FakeConnection,
) => ServerMessage | undefined;

/** One connection of a client, seen from the server. Answers wait until they are delivered. */
export class FakeConnection {
  /** Whatever the client sent. */
  readonly received: ClientMessage[] = [];
  /** Answers on their way, in the order they were made. */
  readonly answers: ServerMessage[] = [];
  readonly #events: TransportEvents;
  open = true;

  constructor(events: TransportEvents) {
    this.#events = events;
  }

  /** The client receives a message now. */
  tell(message: ServerMessage): void {
    if (this.open) this.#events.received(JSON.stringify(message));
  }

  /** The client receives the answer at a place of those on their way. */
  deliver(at = 0): void {
    const [answer] = this.answers.splice(at, 1);
    if (answer !== undefined) this.tell(answer);
  }

  end(code: number): void {
    if (!this.open) return;
    this.open = false;
    this.#events.ended(code, "");
  }
}

/** A server in memory, for tests that say when each answer comes; to be used with fake timers. */
export class FakeServer {
  readonly connections: FakeConnection[] = [];
  /** Whether answers are delivered as soon as they are made. */
  prompt = true;
  /** How far its clock is ahead of the client's, in milliseconds. */
  aheadMs = 0;
  /** New connections end before they are open. */
  refusing = false;
  epoch = "e";
  readonly #answering: Answering;

  constructor(answering: Answering) {
    this.#answering = answering;
  }

  /** The connection that stands. */
  get connection(): FakeConnection | undefined {
    const last = this.connections.at(-1);
    return last?.open === true ? last : undefined;
  }

  readonly platform: Platform = {
    tokenInHeader: true,
    connect: (_, events) => {
      const connection = new FakeConnection(events);
      this.connections.push(connection);
      setTimeout(() => {
        if (this.refusing) connection.end(1006);
        if (!connection.open) return;
        events.opened();
        const server_time = Date.now() + this.aheadMs;
        const greeting = { connection_id: "c", server_time, epoch: this.epoch };
        connection.tell({
          type: "Connected",
          data: { ...greeting, ping_interval_ms: 1000, node: "n" },
        });
      }, 1);
      return {
        send: (payload) => this.#take(connection, JSON.parse(payload as string) as ClientMessage),
        close: (code) => setTimeout(() => connection.end(code), 1),
        terminate: () => setTimeout(() => connection.end(1006), 1),
      };
    },
  };

  #take(connection: FakeConnection, message: ClientMessage): void {
    if (!connection.open) return;
    connection.received.push(message);
    const answer = this.#answering(message, connection);
    if (answer === undefined) return;
    connection.answers.push(answer);
    if (this.prompt) setTimeout(() => connection.deliver(), 1);
  }
}

/** The answer of a server that takes everything. */
export function acceptance({ id, type, data }: ClientMessage): ServerMessage {
  const reply = { ...(id !== undefined && { id }) };
  switch (type) {
    case "Subscribe":
      return { ...reply, type: "Subscribed", data: { channels: data.channels } };
    case "Unsubscribe":
      return { ...reply, type: "Unsubscribed", data: { channels: data.channels } };
    case "Ping":
      return { ...reply, type: "Pong", data: { ...data, server_time: Date.now() } };
    case "Authenticate":
      return { ...reply, type: "Authenticated", data: { user_id: data.token, wallet: null } };
    default:
      return refusal({ id, type, data } as ClientMessage, "TRADING_DISABLED");
  }
}

export function refusal(
  { id }: ClientMessage,
  code: "RATE_LIMITED" | "UNAVAILABLE" | "MARKET_NOT_FOUND" | "TRADING_DISABLED" | "INTERNAL",
  details?: Readonly<Record<string, unknown>>,
): ServerMessage {
  return {
    ...(id !== undefined && { id }),
    type: "Error",
    data: { code, message: code, ...(details !== undefined && { details }) },
  };
}
