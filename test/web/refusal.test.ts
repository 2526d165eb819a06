import { RequestTimeoutError, ServerError } from "marketcast/client";
import { describe, expect, it } from "vitest";
import { ORDER_RULES } from "../../src/contract/order-rules.js";
import { refusalOf, refusedTitle } from "../../web/src/model/refusal.js";

const rejected = (details: Record<string, unknown>) =>
  new ServerError({ code: "ORDER_REJECTED", message: "why", details });

describe("refusal", () => {
  it.each(Object.keys(ORDER_RULES))("refusal - the rule %s is named", (rule) => {
    const refusal = refusalOf(rejected({ rule, field: null, value: null, limit: null }));
    expect(refusal).toEqual({ rule, text: "why", field: undefined });
    expect(refusedTitle("Order not placed", refusal)).toBe(`Order not placed: ${rule}`);
  });

  it("refusal - it stands beside the field that it is about, if there is one", () => {
    const fieldOf = (field: unknown) => refusalOf(rejected({ rule: "tick_size", field })).field;
    expect(["price", "quantity", "expires_ts"].map(fieldOf)).toEqual([
      "price",
      "quantity",
      "expires",
    ]);
    for (const other of ["market_id", "toString", null, 7]) expect(fieldOf(other)).toBeUndefined();
  });

  it("refusal - without a rule it is the code, and what is no refusal has neither", () => {
    const halted = refusalOf(new ServerError({ code: "MARKET_NOT_ACTIVE", message: "halted" }));
    expect(halted).toEqual({ rule: "MARKET_NOT_ACTIVE", text: "halted", field: undefined });
    const late = refusalOf(new RequestTimeoutError("no answer", true));
    expect(refusedTitle("Order not placed", late)).toBe("Order not placed");
  });
});
