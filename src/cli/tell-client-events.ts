import type { Channel, MarketcastClient } from "../client/node.js";
import { errorText } from "./error-text.js";
import { GapNotes } from "./gap-notes.js";
import { printable } from "./message-lines.js";

/** Prints for the user, beside the data on standard output. */
export function tell(text: string): void {
  console.error(`marketcast: ${printable(text)}`);
}

/** Tells the user, on standard error, what became of a client's connection and continuity. */
export function tellClientEvents(client: MarketcastClient): void {
  const gaps = new GapNotes(tell);
  client.on("gap", (gap) => gaps.take(gap));
  client.on("state", (state) => {
    if (state.status === "closed") gaps.end();
    if (state.status !== "reconnecting") return;
    const delayMs = Math.max(0, state.attemptAt - Date.now());
    tell(`not connected: ${errorText(state.cause)}; trying again in ${Math.round(delayMs)} ms`);
  });
  client.on("resubscribed", ({ downtimeMs }) => {
    tell(`subscribed again after ${Math.round(downtimeMs)} ms without a connection`);
  });
  client.on("epoch", ({ epoch }) => tell(`epoch ${epoch}: sequence numbers start again at 1`));
  client.on("subscriptionLost", ({ channels, cause }) => {
    tell(`no longer subscribed to ${channels.map(channelText).join(", ")}: ${errorText(cause)}`);
  });
  client.on("silent", ({ channel, silentMs }) => {
    tell(`nothing from ${channel} for ${Math.round(silentMs)} ms; subscribing again`);
  });
  client.on("overflow", () => tell("output is read too slowly; the oldest messages are dropped"));
  client.on("error", (error) => tell(errorText(error)));
}

function channelText({ type, params }: Channel): string {
  return params == null ? type : `${type} ${JSON.stringify(params)}`;
}
