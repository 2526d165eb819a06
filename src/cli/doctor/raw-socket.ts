import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { CodedError } from "../../shared/coded-error.js";

/** What is read of a refusal's body. */
const REFUSAL_BYTES_MAX = 1024;
/** Messages that wait to be asked for; a server that greets and answers sends fewer. */
const WAITING_MESSAGES_MAX = 100;

/** A message as far as it is looked at here. */
interface RawMessage {
  readonly type?: unknown;
  readonly id?: unknown;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** The server refused the upgrade. */
export class Refusal extends CodedError<"UPGRADE_REFUSED"> {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super("UPGRADE_REFUSED", `the server answered ${status}: ${body.trim() || "nothing more"}`);
    this.status = status;
    this.body = body;
  }
}

/** A WebSocket for JSON below the client library, on which what is wrong can be sent too. */
export class RawSocket {
  /** Rejects with {@link Refusal}, or with why there is no connection. */
  readonly opened: Promise<void>;
  readonly #ws: WebSocket;
  readonly #timeoutMs: number;
  readonly #messages: RawMessage[] = [];
  #wake: (() => void) | undefined;
  #ended: string | undefined;

  /** @param timeoutMs longest wait for the upgrade and for any one answer */
  constructor(url: URL, subprotocol: string | undefined, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#ws = new WebSocket(url, subprotocol === undefined ? [] : [subprotocol], {
      perMessageDeflate: false,
      handshakeTimeout: timeoutMs,
    });
    this.opened = new Promise((resolve, reject) => {
      this.#ws.on("open", () => resolve());
      this.#ws.on("error", reject);
      this.#ws.on("unexpected-response", (_request, response) => {
        void readBody(response).then((body) => {
          reject(new Refusal(response.statusCode ?? 0, body));
          this.terminate();
        });
      });
    });
    this.#ws.on("message", (payload: Buffer, isBinary: boolean) => this.#take(payload, isBinary));
    this.#ws.on("close", (code) => this.#end(`the connection ended with ${code}`));
  }

  send(text: string): void {
    this.#ws.send(text);
  }

  /** The next message, past or future. Throws where none comes in time. */
  async next(): Promise<RawMessage> {
    const deadlineMs = performance.now() + this.#timeoutMs;
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#ended !== undefined) throw new Error(this.#ended);
      const remainingMs = deadlineMs - performance.now();
      if (remainingMs <= 0) throw new Error(`no message within ${this.#timeoutMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, remainingMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  terminate(): void {
    this.#ws.terminate();
  }

  #take(payload: Buffer, isBinary: boolean): void {
    if (isBinary) return this.#end("a binary frame came where JSON was asked for");
    if (this.#messages.length >= WAITING_MESSAGES_MAX) return this.#end("unasked messages come");
    try {
      this.#messages.push(JSON.parse(payload.toString("utf8")) as RawMessage);
    } catch {
      return this.#end("a message came that is not JSON");
    }
    this.#wake?.();
  }

  #end(why: string): void {
    this.#ended ??= why;
    this.#wake?.();
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  let body = "";
  response.setEncoding("utf8");
  try {
    for await (const text of response) {
      body += text;
      if (body.length >= REFUSAL_BYTES_MAX) break;
    }
  } catch {
    // The status says enough without its body.
  }
  return body.slice(0, REFUSAL_BYTES_MAX);
}
