import { randomUUID } from "node:crypto";
import { type ErrorCode, ServerError } from "../../client/node.js";
import { type Check, passed } from "./check.js";
import { clientOf } from "./data-checks.js";
import type { Examination } from "./examination.js";

/** The largest id there is, and no market's. */
const NO_MARKET = String((1n << 128n) - 1n);
const REQUEST_ID = "doctor";

/** Asserts that a wrong message is answered with an error, and that the connection goes on. */
function errorCheck(code: ErrorCode, message: string, id: string | undefined): Check {
  return {
    name: code,
    needs: ["upgrade"],
    async run(examination: Examination) {
      const socket = await examination.openRaw();
      // The greeting.
      await socket.next();
      socket.send(message);
      const reply = await socket.next();
      const told = reply.data?.["code"];
      if (reply.type !== "Error" || told !== code)
        throw new Error(`answered by ${reply.type}${told === undefined ? "" : ` ${told}`}`);
      if (reply.id !== id) throw new Error(`the answer's id is ${JSON.stringify(reply.id)}`);
      socket.send(JSON.stringify({ type: "Ping", data: { timestamp: 1 } }));
      const { type } = await socket.next();
      if (type !== "Pong") throw new Error(`after it, a ping is answered by ${type}`);
      socket.terminate();
      return passed("answered, and the connection goes on");
    },
  };
}

/** What may become of a cancel of an order that there is not. */
const TRADING_ANSWERS: Partial<Record<ErrorCode, string>> = {
  ORDER_NOT_FOUND: "orders are taken",
  AUTH_REQUIRED: "orders need a token",
  FORBIDDEN: "orders need a token with a wallet",
  TRADING_DISABLED: "this server takes no orders",
};

const trading: Check = {
  name: "trading",
  needs: ["json"],
  async run(examination) {
    const client = examination.user ?? clientOf(examination);
    try {
      await client.cancelOrder({ client_order_id: randomUUID() });
    } catch (error) {
      const detail = error instanceof ServerError ? TRADING_ANSWERS[error.code] : undefined;
      if (error instanceof ServerError && detail !== undefined)
        return passed(`${detail} (${error.code})`);
      throw error;
    }
    throw new Error("an order that there is not was cancelled");
  },
};

/** What a server answers to what is wrong. */
export const ERROR_CHECKS: readonly Check[] = [
  errorCheck("INVALID_MESSAGE", "{", undefined),
  errorCheck(
    "UNKNOWN_TYPE",
    JSON.stringify({ type: "Nonsense", id: REQUEST_ID, data: {} }),
    REQUEST_ID,
  ),
  errorCheck(
    "MARKET_NOT_FOUND",
    JSON.stringify({
      type: "Subscribe",
      id: REQUEST_ID,
      data: { channels: [{ type: "Market", params: { market_id: NO_MARKET } }] },
    }),
    REQUEST_ID,
  ),
  trading,
];
