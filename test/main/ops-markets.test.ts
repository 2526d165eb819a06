import { afterEach, describe, expect, it } from "vitest";
import type { MarketAction, MarketOutcome } from "../../src/workers/producer/messages.js";
import { type OpsPort, openOpsPort } from "../support/ops-server.js";

const TOKEN = "an-operations-token-of-more-than-32-bytes";
const PATHS = ["/list", "/halt", "/resume", "/close", "/settle"];
const CHANGE = {
  market: { market_id: 1, title: "One", status: "Halted", tick_size: 0.1, lot_size: 1 },
  changed: true,
  orders_cancelled: 0,
  positions_paid: 0,
} as const;

let ops: OpsPort | undefined;
let actions: MarketAction[];
let outcome: MarketOutcome;
afterEach(() => ops?.close());

async function open(token?: string): Promise<void> {
  actions = [];
  outcome = { change: CHANGE };
  ops = await openOpsPort({ token }, "127.0.0.1", async (action) => {
    actions.push(action);
    return outcome;
  });
}

async function post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`http://127.0.0.1:${ops?.port}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as { error?: { code: string } } };
}

describe("ops markets", () => {
  it("ops markets - each request is the change that its path says, and its answer what came of it", async () => {
    await open();
    const listing = { title: "T", tick_size: 0.1, lot_size: 1 };
    const market_id = "340282366920938463463374607431768211455";
    for (const [path, body] of [
      ["/list", { market_id, ...listing, max_price: 5 }],
      ["/list", { market_id: 2, ...listing, max_price: null }],
      ["/halt", { market_id: 1 }],
      ["/resume", { market_id: "1" }],
      ["/close", { market_id: 0 }],
      ["/settle", { market_id: 1, price: 0 }],
    ] as const)
      expect(await post(path, body)).toEqual({ status: 200, body: CHANGE });
    const terms = { title: "T", tickSize: 0.1, lotSize: 1 };
    expect(actions).toEqual([
      { type: "list", marketId: market_id, ...terms, maxPrice: 5 },
      { type: "list", marketId: 2, ...terms, maxPrice: undefined },
      { type: "halt", marketId: 1 },
      { type: "resume", marketId: 1 },
      { type: "close", marketId: 0 },
      { type: "settle", marketId: 1, price: 0 },
    ]);
    expect(ops?.notices).toEqual([]);
  });

  it("ops markets - a body of another form is refused and goes nowhere", async () => {
    await open();
    for (const [path, body] of [
      ["/halt", ""],
      ["/halt", {}],
      ["/halt", { market_id: -1 }],
      ["/halt", { market_id: 2 ** 53 }],
      ["/halt", { market_id: 1, price: 1 }],
      ["/settle", { market_id: 1, price: "1" }],
      ["/settle", { market_id: 1, price: null }],
      ["/list", { market_id: 1, title: "a\nb", tick_size: 1, lot_size: 1 }],
      ["/list", { market_id: 1, title: "", tick_size: 1, lot_size: 1 }],
      ["/list", { market_id: 1, title: "a", tick_size: 0, lot_size: 1 }],
      ["/list", { market_id: 1, title: "a", tick_size: 1, lot_size: 1, max_price: 0 }],
      ["/list", { market_id: 1, title: "a", tick_size: 1, lot_size: 1, status: "Halted" }],
    ] as const)
      expect(await post(path, body), JSON.stringify(body)).toMatchObject({
        status: 400,
        body: { error: { code: "INVALID_MESSAGE" } },
      });
    expect(actions).toEqual([]);
  });

  it.each([
    ["INVALID_MESSAGE", 400],
    ["MARKET_NOT_FOUND", 404],
    ["MARKET_EXISTS", 409],
    ["MARKET_CLOSED", 409],
    ["MARKET_SETTLED", 409],
    ["TABLE_FULL", 409],
    ["NO_EXCHANGE", 409],
    ["UNAVAILABLE", 503],
  ] as const)("ops markets - a refusal by %s is %i", async (code, status) => {
    await open();
    outcome = { refusal: { code, message: "why" } };
    expect(await post("/halt", { market_id: 1 })).toEqual({
      status,
      body: { error: { code, message: "why" } },
    });
  });

  it("ops markets - every client is told of a settlement, again where it is asked for again", async () => {
    await open();
    const market = { ...CHANGE.market, status: "Closed", settlement_price: 0.5 } as const;
    outcome = { change: { ...CHANGE, market } };
    await post("/settle", { market_id: 1, price: 0.5 });
    outcome = { change: { ...CHANGE, market, changed: false } };
    await post("/settle", { market_id: 1, price: 0.5 });
    await post("/close", { market_id: 1 });
    expect(ops?.notices).toEqual(Array(2).fill("market 1 is settled at 0.5"));
  });

  it.each(PATHS)("ops markets - %s is guarded as any other change", async (path) => {
    await open(TOKEN);
    const authorization = { Authorization: `Bearer ${TOKEN}` };
    for (const [headers, status] of [
      [{}, 401],
      [{ Authorization: "Bearer another" }, 401],
      [{ ...authorization, Origin: "http://127.0.0.1" }, 403],
      [{ ...authorization, "Content-Type": "text/plain" }, 415],
    ] as const)
      expect((await post(path, { market_id: 1 }, headers)).status).toBe(status);
    const get = await fetch(`http://127.0.0.1:${ops?.port}${path}`, { headers: authorization });
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
    expect(actions).toEqual([]);
  });
});
