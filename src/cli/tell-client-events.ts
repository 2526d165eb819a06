import type { Channel, MarketcastClient } from "../client/node.js";
import { errorText } from "./error-text.js";
import { GapNotes } from "./gap-notes.js";
import { tell } from "./output.js";

/** Tells the user, on standard error, what became of a client's connection and continuity. */
export function tellClientEvents(client: MarketcastClient): void {
  const gaps = new GapNotes(tell);
  client.on("gap", (gap) => gaps.take(gap));
  client.on("state", (state) => {
    if (state.status === "closed") gaps.end();
    if (state.status !== "reconnecting") return;
    const delayMs = Math.max(0, state.attemptAt - Date.now());
    void tell(
      `not connected: ${errorText(state.cause)}; trying again in ${Math.round(delayMs)} ms`,
    );
  });
  client.on("resubscribed", ({ downtimeMs }) => {
    void tell(`subscribed again after ${Math.round(downtimeMs)} ms without a connection`);
  });
  client.on("epoch", ({ epoch }) => void tell(`epoch ${epoch}: sequence numbers start again at 1`));
  client.on("subscriptionLost", ({ channels, cause }) => {
    void tell(
      `no longer subscribed to ${channels.map(channelText).join(", ")}: ${errorText(cause)}`,
    );
  });
  client.on(
    "overflow",
    () => void tell("output is read too slowly; the oldest messages are dropped"),
  );
  client.on("error", (error) => void tell(errorText(error)));
}

/** Tells the user when data are stale; this subscribes to `Heartbeat`. */
export function tellStaleness(client: MarketcastClient): void {
  client.on("stale", ({ cause, ageMs }) => {
    const what = cause === "feed" ? "the server has had no market data" : "no heartbeat came";
    void tell(`${what} for ${Math.round(ageMs)} ms`);
  });
  client.on("fresh", () => void tell("market data are up to date again"));
}

function channelText({ type, params }: Channel): string {
  return params == null ? type : `${type} ${JSON.stringify(params)}`;
}
