import { describe, expect, it } from "vitest";
import { readOrders } from "../../src/cli/order-lines.js";

describe("order lines", () => {
  it("order lines - a line is an order, which gets an id of its own unless it has one", () => {
    const [first, second, third] = readOrders(
      '{"market_id":1}\n\n{"market_id":2,"client_order_id":"mine"}\r\n{"market_id":"3"}',
      "file",
    );
    expect(first).toEqual({
      market_id: 1,
      client_order_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(second).toEqual({ market_id: 2, client_order_id: "mine" });
    expect(third?.client_order_id).not.toBe(first?.client_order_id);
  });

  it.each([
    ["", "orders.json: has no orders"],
    ["{}\n[]", "orders.json, line 2: is not an order, as an object"],
    ["null", "orders.json, line 1: is not an order"],
    ["\n{", "orders.json, line 2, column 2: "],
    ['{"quantity":9007199254740993}', "line 1: quantity has more digits than can be kept"],
  ])("order lines - %j is refused with its line", (lines, message) => {
    expect(() => readOrders(lines, "orders.json")).toThrow(message);
  });
});
