import type { ExchangeRequest } from "../workers/messages.js";
import type { OrderRequest } from "./order-desk.js";

type SessionRequest = Extract<ExchangeRequest, { type: "session" | "ended" | "attach" }>;

/**
 * Whether a request is about orders and may change them. Where its batch is undone it has to be answered anew:
 * connections and their sessions are what they are, whatever becomes of orders, and what was before a batch is told
 * behind it.
 */
export function isCommand(request: ExchangeRequest): request is OrderRequest {
  switch (request.type) {
    case "place":
    case "place-all":
    case "amend":
    case "cancel":
    case "cancel-all":
    case "cancel-after":
      return true;
    default:
      return false;
  }
}

/** Whether a request is about connections and their sessions, which there are without an exchange, too. */
export function isOfSessions(request: ExchangeRequest): request is SessionRequest {
  return request.type === "session" || request.type === "ended" || request.type === "attach";
}
