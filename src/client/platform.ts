import type { HandshakeError } from "./errors.js";

/** One WebSocket, from the attempt on. */
export interface Transport {
  send(payload: string | Uint8Array): void;
  /** Starts the closing handshake, or gives up the attempt. */
  close(code: number): void;
  /** Cuts the connection where the platform can, and closes it otherwise. */
  terminate(): void;
}

/** What becomes of a transport. Nothing is called before `connect` has returned. */
export interface TransportEvents {
  opened(): void;
  /** A text frame as a string, a binary frame as bytes. */
  received(payload: string | Uint8Array): void;
  /** The last call, exactly once. `cause` is what the platform knows beyond code and reason. */
  ended(code: number, reason: string, cause?: HandshakeError | Error): void;
}

export interface Target {
  readonly url: string;
  readonly subprotocol: string;
  readonly token: string | undefined;
  /** Whether to offer compression; browsers decide by themselves. */
  readonly compression: boolean;
}

/** What Node and browsers do each in their own way. */
export interface Platform {
  /**
   * Whether `connect` brings the token along in a header. Browsers cannot set one, and a token in a
   * URL would be found in the logs of proxies: there it goes in a first message.
   */
  readonly tokenInHeader: boolean;
  connect(target: Target, events: TransportEvents): Transport;
}
