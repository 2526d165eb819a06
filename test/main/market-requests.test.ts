import { expect, it } from "vitest";
import { MarketRequests } from "../../src/main/market-requests.js";
import type { MarketAction, MarketOutcome } from "../../src/workers/producer/messages.js";

const HALT: MarketAction = { type: "halt", marketId: 1 };
const DONE: MarketOutcome = { refusal: { code: "MARKET_NOT_FOUND", message: "the second" } };

function world(options: { isExchange?: boolean; ready?: boolean } = {}) {
  const sent: number[] = [];
  const requests = new MarketRequests({
    isExchange: options.isExchange ?? true,
    most: 2,
    send: (request) => {
      sent.push(request);
      return options.ready ?? true;
    },
  });
  return { sent, requests };
}

const codeOf = (outcome: MarketOutcome) => ("refusal" in outcome ? outcome.refusal.code : "change");

it("market requests - each answer goes to the request that it is of", async () => {
  const { sent, requests } = world();
  const [first, second] = [requests.ask(HALT), requests.ask(HALT)];
  requests.answered(sent[1] as number, DONE);
  expect(await second).toBe(DONE);
  requests.answered(sent[0] as number, { refusal: { code: "MARKET_CLOSED", message: "first" } });
  expect(codeOf(await first)).toBe("MARKET_CLOSED");
});

it("market requests - no more are under way than may be, and whoever comes then is told the bound", async () => {
  const { sent, requests } = world();
  const first = requests.ask(HALT);
  void requests.ask(HALT);
  expect(await requests.ask(HALT)).toEqual({
    refusal: {
      code: "UNAVAILABLE",
      message: "2 changes of markets are under way, as many as --ops-max-connections allows",
    },
  });
  requests.answered(sent[0] as number, DONE);
  await first;
  void requests.ask(HALT);
  expect(sent).toHaveLength(3);
});

it("market requests - without an exchange, without a producer, and when it ends they are refused", async () => {
  expect(codeOf(await world({ isExchange: false }).requests.ask(HALT))).toBe("NO_EXCHANGE");
  expect(codeOf(await world({ ready: false }).requests.ask(HALT))).toBe("UNAVAILABLE");
  const { sent, requests } = world();
  const waiting = requests.ask(HALT);
  requests.ended();
  expect(codeOf(await waiting)).toBe("UNAVAILABLE");
  requests.answered(sent[0] as number, DONE);
});
