import { expect, it } from "vitest";
import type { Connection } from "../../../../src/workers/shard/connections/connection.js";
import {
  type WalletRequestMessage,
  WalletRequests,
} from "../../../../src/workers/shard/requests/wallet-requests.js";
import type { Trading } from "../../../../src/workers/shard/trading/trading.js";

const PAGE: WalletRequestMessage = { type: "OrderHistory", data: {} };
const GET: WalletRequestMessage = { type: "GetOrder", data: { order_id: "1" } };

/** Requests of one connection, the answers that it waits for, and whether its further ones do. */
function requestsWorld() {
  const connection = { identity: { userId: "u", wallet: "w" }, charge: () => {} };
  const answers: (() => void)[] = [];
  const told: string[] = [];
  const trading: Pick<Trading, "query" | "takesOrders"> = {
    takesOrders: true,
    query: (_connection, _id, _question, answered) => {
      answers.push(answered);
      return undefined;
    },
  };
  const requests = new WalletRequests({
    trading: trading as Trading,
    hold: { hold: () => told.push("hold"), release: () => told.push("release") },
    isListed: () => true,
  });
  const take = (message: WalletRequestMessage) =>
    requests.take(connection as unknown as Connection, message, 0);
  return { take, answer: () => answers.shift()?.(), told };
}

it("wallet requests - while a connection waits for a page its further requests wait", () => {
  const { take, answer, told } = requestsWorld();
  for (let page = 1; page <= 3; page++) {
    expect(take(PAGE)).toBeUndefined();
    expect(told.splice(0)).toEqual(["hold"]);
    answer();
    expect(told.splice(0)).toEqual(["release"]);
  }
});

it("wallet requests - of single orders four are waited for, and a page beside some of them alone", () => {
  const { take, answer, told } = requestsWorld();
  for (let order = 1; order <= 3; order++) take(GET);
  expect(told).toEqual([]);
  take(GET);
  expect(told.splice(0)).toEqual(["hold"]);
  answer();
  expect(told.splice(0)).toEqual(["release"]);
  take(PAGE);
  expect(told.splice(0)).toEqual(["hold"]);
  for (let order = 1; order <= 3; order++) answer();
  expect(told).toEqual([]);
  answer();
  expect(told).toEqual(["release"]);
});
