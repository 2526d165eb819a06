import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  CLIENT_TYPES,
  clientMessageSchema,
  type JsonSchema,
  SERVER_TYPES,
  serverMessageSchema,
} from "../../src/contract/json-schema.js";
import { CLIENT_SAMPLES, SERVER_SAMPLES } from "../support/protobuf-samples.js";

/** The schema as a validator, which refuses what it does not name. */
function validator(schema: JsonSchema): z.ZodType {
  return z.fromJSONSchema(closed(schema) as Parameters<typeof z.fromJSONSchema>[0]);
}

/** A schema of which each object has the named fields only. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const fields = Object.entries(schema).map(([name, value]) => [name, closed(value)]);
  const object = Object.fromEntries(fields);
  return object.properties === undefined ? object : { ...object, additionalProperties: false };
}

describe("the contract as JSON Schema", () => {
  it("json-schema - it has every type of message, and each once", () => {
    expect([...CLIENT_TYPES].sort()).toEqual(Object.keys(CLIENT_SAMPLES).sort());
    expect([...SERVER_TYPES].sort()).toEqual(Object.keys(SERVER_SAMPLES).sort());
  });

  it.each(Object.values(SERVER_SAMPLES))("json-schema - $type of the server fits", (sample) => {
    const schema = validator(serverMessageSchema(sample.type));
    expect(schema.parse(sample)).toEqual(sample);
    const { data: _, ...rest } = sample;
    expect(schema.safeParse(rest).success).toBe(false);
    expect(schema.safeParse({ ...sample, data: { ...sample.data, extra: 1 } }).success).toBe(false);
    expect(schema.safeParse({ ...sample, type: "Other" }).success).toBe(false);
  });

  it.each(Object.values(CLIENT_SAMPLES))("json-schema - $type of a client fits", (sample) => {
    const schema = validator(clientMessageSchema(sample.type));
    expect(schema.parse(sample)).toEqual(sample);
    expect(schema.safeParse({ ...sample, data: { ...sample.data, extra: 1 } }).success).toBe(false);
  });

  it("json-schema - what may be missing of a server's message may, what may not may not", () => {
    const error = validator(serverMessageSchema("Error"));
    const data = { code: "INTERNAL", message: "m" };
    expect(error.safeParse({ type: "Error", data }).success).toBe(true);
    expect(error.safeParse({ type: "Error", data: { code: "INTERNAL" } }).success).toBe(false);
    expect(error.safeParse({ type: "Error", data: { ...data, code: "NO" } }).success).toBe(false);
    const update = validator(serverMessageSchema("MarketUpdate"));
    expect(update.safeParse({ type: "MarketUpdate", data: { update_type: "Price" } }).success).toBe(
      false,
    );
  });

  it("json-schema - bounds of what clients send are in it", () => {
    const subscribe = validator(clientMessageSchema("Subscribe"));
    const to = (channels: readonly unknown[]) =>
      subscribe.safeParse({ type: "Subscribe", data: { channels } }).success;
    const prices = (market_ids: readonly unknown[]) => ({
      type: "PriceFeed",
      params: { market_ids },
    });
    expect(to([prices([1, `${2n ** 100n}`])])).toBe(true);
    expect(to([prices([])])).toBe(false);
    expect(to([prices([-1])])).toBe(false);
    expect(to([prices(["x"])])).toBe(false);
    expect(to([prices(Array.from({ length: 1001 }, (_, id) => id))])).toBe(false);
    expect(to([])).toBe(false);
    expect(to(Array.from({ length: 101 }, () => ({ type: "SystemStatus" })))).toBe(false);
    expect(to([{ type: "Nothing" }])).toBe(false);
  });
});
