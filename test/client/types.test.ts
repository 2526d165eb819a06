import { describe, expectTypeOf, it } from "vitest";
import type * as browser from "../../src/client/browser.js";
import * as node from "../../src/client/node.js";

type Client = node.MarketcastClient;

/*
 * Only the compiler can fail these, as `npm run check` runs it. Nothing in here is executed but the
 * names of functions.
 */
describe("types", () => {
  it("types - both entries export the same", () => {
    expectTypeOf<typeof browser>().toEqualTypeOf<typeof node>();
    expectTypeOf<Client>().toExtend<node.Client>();
    expectTypeOf(node.MarketcastClient).constructorParameters.toEqualTypeOf<[node.ClientOptions]>();
  });

  it("types - options need a URL, and know their values", () => {
    type Options = node.ClientOptions;
    expectTypeOf<{ url: string }>().toExtend<Options>();
    expectTypeOf<{
      url: URL;
      token: () => Promise<string>;
      encoding: "msgpack";
    }>().toExtend<Options>();
    expectTypeOf<{ url: string; encoding: "xml" }>().not.toExtend<Options>();
    expectTypeOf<{ url: string; token: () => number }>().not.toExtend<Options>();
    expectTypeOf<{ token: string }>().not.toExtend<Options>();
  });

  it("types - a request resolves with its reply's data", () => {
    expectTypeOf<Client["subscribe"]>().returns.resolves.toEqualTypeOf<{
      readonly channels: readonly node.Channel[];
    }>();
    expectTypeOf<Client["placeOrder"]>().returns.resolves.toEqualTypeOf<{
      readonly order: node.Order;
      readonly duplicate?: true;
    }>();
    expectTypeOf<Client["cancelOrder"]>().returns.resolves.toEqualTypeOf<{
      readonly order: node.Order;
      readonly duplicate?: true;
    }>();
    expectTypeOf<Client["ping"]>().returns.resolves.toBeNumber();
    expectTypeOf<Client["ready"]>().returns.resolves.toEqualTypeOf<node.OpenState>();
    expectTypeOf<Client["close"]>().returns.resolves.toBeVoid();
  });

  it("types - channels have the params of their type", () => {
    expectTypeOf<{
      type: "PriceFeed";
      params: { market_ids: [1001, "2"] };
    }>().toExtend<node.Channel>();
    expectTypeOf<{ type: "Markets" }>().toExtend<node.Channel>();
    expectTypeOf<{ type: "Trades"; params: null }>().toExtend<node.Channel>();
    expectTypeOf<{ type: "PriceFeed" }>().not.toExtend<node.Channel>();
    expectTypeOf<{ type: "Market"; params: { market_ids: [1] } }>().not.toExtend<node.Channel>();
    expectTypeOf<{ type: "Orders" }>().not.toExtend<node.Channel>();
    expectTypeOf<{ type: "Prices" }>().not.toExtend<node.Channel>();
  });

  it("types - a limit order has a price, and a market order has none", () => {
    type Base = { market_id: 1001; side: "Buy"; quantity: 1 };
    type Order = node.OrderRequest;
    expectTypeOf<Base & { order_type: "Limit"; price: 1; post_only: true }>().toExtend<Order>();
    expectTypeOf<Base & { order_type: "Market" }>().toExtend<Order>();
    expectTypeOf<Base & { order_type: "Limit" }>().not.toExtend<Order>();
    expectTypeOf<Base & { order_type: "Market"; time_in_force: "GTC" }>().not.toExtend<Order>();
    expectTypeOf<{ order_id: "1" }>().toExtend<node.OrderReference>();
    expectTypeOf<{ order_id: "1"; client_order_id: "2" }>().not.toExtend<node.OrderReference>();
  });

  it("types - listeners are given what their event carries", () => {
    const listen = (client: Client): void => {
      client.on("PriceUpdate", (update) => expectTypeOf(update).toEqualTypeOf<node.PriceUpdate>());
      client.on("TradeExecution", ({ trade }) => expectTypeOf(trade).toEqualTypeOf<node.Trade>());
      client.on("state", (state) => expectTypeOf(state).toEqualTypeOf<node.ConnectionState>());
      client.once("gap", (gap) => expectTypeOf(gap).toEqualTypeOf<node.Gap>());
      client.on("error", ({ code }) => expectTypeOf(code).toBeString());
      // @ts-expect-error an Error of the server is an `error`, or rejects its request
      client.on("Error", () => {});
      // @ts-expect-error no such event
      client.on("price", () => {});
    };
    expectTypeOf(listen).toBeFunction();
  });

  it("types - states and messages are told apart by one field", () => {
    const read = async (client: Client): Promise<void> => {
      const { state } = client;
      if (state.status === "open") expectTypeOf(state.connectionId).toBeString();
      if (state.status === "closed") expectTypeOf(state.code).toBeNumber();
      if (state.status === "reconnecting") expectTypeOf(state.attemptAt).toBeNumber();
      // @ts-expect-error not known before
      void state.epoch;
      for await (const message of client) {
        if (message.type === "OrderBook")
          expectTypeOf(message.data).toEqualTypeOf<node.OrderBook>();
      }
      for (const market of client.markets) expectTypeOf(market).toEqualTypeOf<node.Market>();
      expectTypeOf(client.books.get(1001)).toEqualTypeOf<node.OrderBook | undefined>();
    };
    expectTypeOf(read).toBeFunction();
  });

  it("types - an error's class tells its code", () => {
    expectTypeOf<node.ServerError["code"]>().toEqualTypeOf<node.ErrorCode>();
    expectTypeOf<node.RequestTimeoutError["code"]>().toEqualTypeOf<"REQUEST_TIMEOUT">();
    expectTypeOf<node.ClientClosedError["closeCode"]>().toBeNumber();
    expectTypeOf<node.HandshakeError["retryAfterMs"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<node.ServerError>().toExtend<node.MarketcastError>();
  });
});
