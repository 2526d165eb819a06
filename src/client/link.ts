import { SUBPROTOCOLS } from "../codec/wire/encodings.js";
import type { ClientMessage, ServerData, ServerMessage } from "../codec/wire/messages.js";
import { DisconnectedError, MarketcastError, ProtocolError, ServerError } from "./errors.js";
import type { MessageCodec } from "./message-codec.js";
import type { Platform, Transport } from "./platform.js";

/** Id of the greeting's `Authenticate`; those of other requests count from 1. */
const GREETING_ID = 0;
/** Close code of a client that does not understand the server (RFC 6455, section 7.4.1). */
const PROTOCOL_ERROR = 1002;
/** Close code of a client that is done. */
export const NORMAL = 1000;
/** The code of a connection that ended without one. */
export const NO_CLOSE_CODE = 1006;

/** What the server said before a link was open. */
export interface Greeting {
  readonly connected: ServerData["Connected"];
  /** Undefined on an anonymous connection. */
  readonly authenticated: ServerData["Authenticated"] | undefined;
}

export interface LinkEvents {
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
    url: string,
    encoding: keyof typeof SUBPROTOCOLS,
    token: string | undefined,
    events: LinkEvents,
  ) {
    this.#codec = codec;
    this.#events = events;
    this.#token = token;
    const subprotocol = SUBPROTOCOLS[encoding];
    this.#transport = platform.connect(
      { url, subprotocol, token },
      {
        opened: () => {
          if (token !== undefined && !platform.tokenInHeader)
            this.send({ type: "Authenticate", id: GREETING_ID, data: { token } });
        },
        received: (payload) => this.#receive(payload),
        ended: (code, reason, cause) => this.#end(describeEnd(code, reason, cause)),
      },
    );
  }

  send(message: ClientMessage): void {
    this.#transport.send(this.#codec.encode(message));
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
    let message: ServerMessage;
    try {
      message = this.#codec.decode(payload);
    } catch (cause) {
      this.#end(new ProtocolError("a message of the server does not decode", { cause }));
      this.#transport.close(PROTOCOL_ERROR);
      return;
    }
    this.#events.received(message);
    if (!this.#open && !this.#ended) this.#greet(message);
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

function describeEnd(code: number, reason: string, cause: Error | undefined): MarketcastError {
  if (cause instanceof MarketcastError) return cause;
  const text = reason === "" ? (cause?.message ?? "") : reason;
  const message = `the connection ended with ${code}${text === "" ? "" : `: ${text}`}`;
  return new DisconnectedError(message, code, cause === undefined ? undefined : { cause });
}
