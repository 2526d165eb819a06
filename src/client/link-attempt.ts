import { NO_CLOSE_CODE } from "../contract/close-codes.js";
import type { ServerMessage } from "../contract/messages.js";
import { Alarm } from "./alarm.js";
import { CODEC_LOADERS } from "./codec-loaders.js";
import { DisconnectedError, MarketcastError } from "./errors.js";
import { type Greeting, Link } from "./link.js";
import type { ResolvedOptions } from "./options.js";
import type { Platform } from "./platform.js";
import type { TokenKeeper } from "./token-keeper.js";

/** How long a closing handshake may take before the connection is cut, in milliseconds. */
const CLOSE_TIMEOUT_MS = 2000;

interface LinkAttemptEvents {
  /** Resolves when all is there that the link needs. */
  prepare(): Promise<void>;
  received(message: ServerMessage): void;
  /** The link is open; `token` is the one it was opened with. */
  opened(greeting: Greeting, token: string | undefined): void;
  /** The attempt failed, or the link ended. The last call, at most once. */
  ended(cause: MarketcastError): void;
}

/** An attempt to open a link, from its token on, and what it becomes. */
export class LinkAttempt {
  readonly #alarm = new Alarm();
  readonly #events: LinkAttemptEvents;
  #link: Link | undefined;
  #over = false;

  /** @param session the order session that the link is to go on with */
  constructor(
    options: ResolvedOptions,
    platform: Platform,
    tokens: TokenKeeper,
    session: string | undefined,
    events: LinkAttemptEvents,
  ) {
    const { encoding, batch, connectTimeoutMs } = options;
    this.#events = events;
    this.#alarm.set(connectTimeoutMs, () =>
      this.fail(
        new DisconnectedError(`no connection within ${connectTimeoutMs} ms`, NO_CLOSE_CODE),
      ),
    );
    Promise.all([tokens.get(), CODEC_LOADERS[encoding](batch), events.prepare()])
      .then(([token, codec]) => {
        if (this.#over) return;
        this.#link = new Link(platform, codec, options, token, session, {
          received: events.received,
          opened: (greeting) => {
            this.#alarm.clear();
            events.opened(greeting, token);
          },
          ended: (cause) => this.#end(cause),
        });
      })
      .catch((cause: unknown) => this.#end(asMarketcastError(cause)));
  }

  /** The link, from the attempt to connect on. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** Ends it, a link with the closing handshake. */
  close(): void {
    const [message, code] = ["no answer to the closing handshake", NO_CLOSE_CODE] as const;
    const cut = new DisconnectedError(message, code);
    if (this.#link === undefined) return this.#end(cut);
    this.#link.close();
    this.#alarm.set(CLOSE_TIMEOUT_MS, () => this.fail(cut));
  }

  /** Ends it now, for `cause`. */
  fail(cause: MarketcastError): void {
    if (this.#link === undefined) this.#end(cause);
    else this.#link.fail(cause);
  }

  #end(cause: MarketcastError): void {
    if (this.#over) return;
    this.#over = true;
    this.#alarm.clear();
    this.#events.ended(cause);
  }
}

function asMarketcastError(cause: unknown): MarketcastError {
  if (cause instanceof MarketcastError) return cause;
  return new DisconnectedError("could not prepare the connection", NO_CLOSE_CODE, { cause });
}
