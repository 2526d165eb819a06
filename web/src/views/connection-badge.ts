import type { ConnectionState, MarketcastClient } from "marketcast/client";
import { byId, element, setText, show } from "../dom.js";
import { fixed } from "../format.js";
import type { Standing } from "../model/health.js";

const UPDATE_MS = 1000;

/** How connection and server stand, how long a ping takes, and how many messages come a second. */
export class ConnectionBadge {
  readonly #root = byId("connection");
  /** Read out when it changes; the countdown beside it is not. */
  readonly #state = document.createTextNode("");
  readonly #countdown = document.createTextNode("");
  readonly #roundTrip = document.createTextNode("");
  readonly #rate = document.createTextNode("");
  readonly #reconnect = element("button", { type: "button", class: "quiet" }, "Reconnect");
  #shown: ConnectionState = { status: "connecting" };
  #standing: Standing | undefined;
  #counted: { readonly client: MarketcastClient; messages: number; at: number } | undefined;

  /** `reconnect` is called when the user asks for it. */
  constructor(clientNow: () => MarketcastClient, reconnect: () => void) {
    byId("connection-state").replaceChildren(this.#state);
    byId("connection-countdown").append(this.#countdown);
    byId("round-trip").append(this.#roundTrip);
    byId("message-rate").append(this.#rate);
    this.#root.append(this.#reconnect);
    this.#reconnect.addEventListener("click", reconnect);
    setInterval(() => {
      this.#countMessages(clientNow());
      this.#draw();
    }, UPDATE_MS);
    this.#draw();
  }

  show(state: ConnectionState, standing: Standing): void {
    this.#shown = state;
    this.#standing = standing;
    this.#draw();
  }

  #countMessages(client: MarketcastClient): void {
    const now = performance.now();
    const { messages, rttMs } = client.stats;
    const live = this.#shown.status === "open";
    const last = this.#counted;
    if (live && last?.client === client) {
      const perSecond = ((messages - last.messages) * 1000) / (now - last.at);
      setText(this.#rate, `${fixed(Math.round(perSecond), 0)} msg/s`);
    } else {
      setText(this.#rate, "");
    }
    const decimals = (rttMs ?? 0) < 10 ? 1 : 0;
    setText(this.#roundTrip, live && rttMs !== undefined ? `${fixed(rttMs, decimals)} ms` : "");
    this.#counted = { client, messages, at: now };
  }

  #draw(): void {
    const state = this.#shown;
    this.#root.dataset["status"] = state.status;
    this.#root.dataset["health"] = this.#standing?.kind ?? "waiting";
    show(state.status === "closed", this.#reconnect);
    setText(this.#state, this.#standing?.word ?? "");
    setText(this.#countdown, countdown(state));
    if (state.status !== "open")
      for (const figure of [this.#roundTrip, this.#rate]) setText(figure, "");
    this.#root.title = this.#standing?.sentence ?? "";
  }
}

function countdown(state: ConnectionState): string {
  if (state.status !== "reconnecting") return "";
  const seconds = Math.ceil((state.attemptAt - Date.now()) / 1000);
  return seconds > 0 ? `in ${seconds} s` : "now";
}
