import { NORMAL, PROTOCOL_ERROR } from "../contract/close-codes.js";
import { subprotocolOf } from "../contract/encodings.js";
import type { ClientMessage, ServerData, ServerMessage } from "../contract/messages.js";
import { DisconnectedError, MarketcastError, ProtocolError, ServerError } from "./errors.js";
import type { MessageCodec } from "./message-codec.js";
import type { ResolvedOptions } from "./options.js";
import { given } from "./plain-value.js";
import type { Platform, Transport } from "./platform.js";

/** Id of the greeting's `Authenticate`; those of other requests count from 1. */
export const GREETING_ID = 0;

/** What the server said before a link was open. */
export interface Greeting {
  readonly connected: ServerData["Connected"];
  /** Undefined on an anonymous connection. */
  readonly authenticated: ServerData["Authenticated"] | undefined;
}

interface LinkEvents {
  received(message: ServerMessage): void;
  /** Greeted and, where there is a token, authenticated. */
  opened(greeting: Greeting): void;
  /** The last call, exactly once. */
  ended(cause: MarketcastError): void;
}

/** One connection, from its attempt to its end: transport, encoding and greeting. */
export class Link {
  readonly #codec: MessageCodec;
  readonly #events: LinkEvents;
  readonly #transport: Transport;
  readonly #token: string | undefined;
  #connected: ServerData["Connected"] | undefined;
  #open = false;
  #ended = false;

  constructor(
    platform: Platform,
    codec: MessageCodec,
    { url, encoding, compression }: ResolvedOptions,
    token: string | undefined,
    session: string | undefined,
    events: LinkEvents,
  ) {
    this.#codec = codec;
    this.#events = events;
    this.#token = token;
    const subprotocol = subprotocolOf(encoding);
    const resuming = token !== undefined && session !== undefined ? { session } : undefined;
    const target = new URL(url);
    if (resuming !== undefined && platform.tokenInHeader)
      target.searchParams.set("session", resuming.session);
    this.#transport = platform.connect(
      { url: target.href, subprotocol, token, compression },
      {
        opened: () => {
          if (token !== undefined && !platform.tokenInHeader)
            this.send({ type: "Authenticate", id: GREETING_ID, data: { token, ...resuming } });
        },
        received: (payload) => this.#receive(payload),
        ended: (code, reason, cause) => this.#end(describeEnd(code, reason, cause)),
      },
    );
  }

  /** Sends a message and returns the length of its payload. */
  send(message: ClientMessage): number {
    const payload = this.#codec.encode(message);
    this.#transport.send(payload);
    return payload.length;
  }

  /** Starts the closing handshake; `ended` follows when it is through. */
  close(): void {
    this.#transport.close(NORMAL);
  }

  /** Ends the link now, for `cause`. */
  fail(cause: MarketcastError): void {
    this.#end(cause);
    this.#transport.terminate();
  }

  #receive(payload: string | Uint8Array): void {
    if (this.#ended) return;
    let messages: readonly ServerMessage[];
    try {
      const decoded = this.#codec.decode(payload) as ServerMessage;
      messages = [decoded].flat().map(withoutNulls);
    } catch (cause) {
      this.#end(new ProtocolError("a message of the server does not decode", { cause }));
      this.#transport.close(PROTOCOL_ERROR);
      return;
    }
    for (const message of messages) {
      if (this.#ended) return;
      this.#events.received(message);
      if (!this.#open && !this.#ended) this.#greet(message);
    }
  }

  #greet(message: ServerMessage): void {
    if (message.type === "Connected") {
      this.#connected = message.data;
      if (this.#token === undefined) this.#opened(message.data, undefined);
    } else if (message.type === "Authenticated" && this.#connected !== undefined) {
      this.#opened(this.#connected, message.data);
    } else if (message.type === "Error" && message.id === GREETING_ID) {
      this.fail(new ServerError(message.data));
    }
  }

  #opened(
    connected: ServerData["Connected"],
    authenticated: ServerData["Authenticated"] | undefined,
  ): void {
    this.#open = true;
    this.#events.opened({ connected, authenticated });
  }

  #end(cause: MarketcastError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.ended(cause);
  }
}

/** Types of messages whose data have no optional field that a server could say null for. */
type WithoutOptionals =
  | ("Connected" | "Authenticated" | "Subscribed" | "Unsubscribed" | "EpochChanged" | "Pong")
  | ("MarketSnapshot" | "MarketUpdate" | "PriceUpdate" | "OrderBook" | "BookUpdate")
  | "TradeExecution"
  | ("PositionSnapshot" | "PositionUpdate" | "SystemStatus" | "Notification" | "Heartbeat")
  | ("CandleSnapshot" | "CandleUpdate" | "ServerShutdown" | "OrdersCancelled" | "CancelAfterSet")
  | ("Published" | "Publication");

const PARTS = /^(error|(order|fill|result)s?)$/;

/** A message as its types have it, from a server that says null for an optional field. */
function withoutNulls(message: ServerMessage): ServerMessage {
  const { type, data } = message;
  const envelope = message.id === null ? { type } : message;
  switch (type) {
    case "Error":
    case "TradePage":
    case "CandlePage":
    case "PresenceUpdate":
    case "OrderUpdate":
    case "OrderValidated":
    case "OrderResults":
    case "OrderSnapshot":
    case "OrderPage":
    case "Fill":
    case "FillPage":
      return { ...envelope, type, data: partsGiven(data) } as ServerMessage;
    default:
      return envelope === message
        ? message
        : ({ type: type satisfies WithoutOptionals, data } as ServerMessage);
  }
}

/** The fields of an object that are there, and so of the orders, fills and results in it. */
function partsGiven(data: object): object {
  const parts = Object.entries(given(data)).map(([name, part]) => {
    if (!PARTS.test(name)) return [name, part];
    return [name, Array.isArray(part) ? part.map(partsGiven) : partsGiven(part)];
  });
  return Object.fromEntries(parts);
}

function describeEnd(code: number, reason: string, cause: Error | undefined): MarketcastError {
  if (cause instanceof MarketcastError) return cause;
  const text = reason === "" ? (cause?.message ?? "") : reason;
  const message = `the connection ended with ${code}${text === "" ? "" : `: ${text}`}`;
  return new DisconnectedError(message, code, cause === undefined ? undefined : { cause });
}
