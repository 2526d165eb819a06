import type { ConnectionState, Staleness, SystemStatus } from "marketcast/client";

/** How things stand, in a word for the header and a sentence for what is wrong. */
export interface Standing {
  /** Whether what is shown is what is, and what is sent is taken. */
  readonly connected: boolean;
  /** For colours: only `ok` is green. */
  readonly kind: "ok" | "waiting" | "warning" | "down";
  readonly word: string;
  /** Undefined where nothing is wrong. */
  readonly sentence: string | undefined;
}

/**
 * How connection and server stand, from what is known of both: a connection that is open can be dead
 * without its having been found out, and a server that answers can be without a feed.
 */
export class Health {
  #connection: ConnectionState = { status: "connecting" };
  #system: SystemStatus | undefined;
  #stale: Staleness["cause"] | undefined;

  /** Another state of the connection; what the server said of itself holds for an open one only. */
  setConnection(state: ConnectionState): void {
    if (state.status !== "open" || this.#connection.status !== "open") this.#system = undefined;
    this.#connection = state;
    // The next client begins anew.
    if (state.status !== "open") this.#stale = undefined;
  }

  setSystem(status: SystemStatus): void {
    this.#system = status;
  }

  /** Why market data are stale; undefined where they are not. */
  setStale(cause: Staleness["cause"] | undefined): void {
    this.#stale = cause;
  }

  get standing(): Standing {
    const state = this.#connection;
    if (state.status === "connecting") return down("waiting", "Connecting", undefined);
    if (state.status === "reconnecting")
      return down("waiting", "Reconnecting", "Not connected: what is shown may be out of date.");
    if (state.status === "closed") {
      const why = state.reason === "" ? `code ${state.code}` : state.reason;
      return down("down", "Disconnected", `Disconnected, ${why}: what is shown is out of date.`);
    }
    if (this.#stale === "connection")
      return down(
        "warning",
        "No answer",
        "The server does not answer: what is shown may be out of date.",
      );
    return this.#answering();
  }

  #answering(): Standing {
    const { state, reasons } = this.#system ?? { state: undefined, reasons: [] };
    const up = { connected: true } as const;
    if (state === undefined)
      return { ...up, kind: "waiting", word: "Connected", sentence: undefined };
    // Nothing happens in any market, which is no fault of an exchange.
    const word = this.#stale === "feed" ? "Quiet" : "Live";
    if (state === "ok") return { ...up, kind: "ok", word, sentence: undefined };
    const why = reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
    return state === "draining"
      ? {
          ...up,
          kind: "warning",
          word: "Shutting down",
          sentence: `The server is shutting down${why}.`,
        }
      : { ...up, kind: "warning", word: "Degraded", sentence: `The server is degraded${why}.` };
  }
}

function down(kind: Standing["kind"], word: string, sentence: string | undefined): Standing {
  return { connected: false, kind, word, sentence };
}
