import { describe, expect, it } from "vitest";
import { ApiError } from "../../../../../src/workers/shard/http/v3/api-error.js";
import {
  amount,
  integer,
  line,
  marketId,
  oneOf,
  parseQuery,
  required,
  someOf,
} from "../../../../../src/workers/shard/http/v3/parameters.js";

const PARAMETERS = {
  limit: integer("limit", { min: 1, max: 1000 }),
  from: integer("from", { min: 0, max: Number.MAX_SAFE_INTEGER }),
  depth: oneOf("depth", [1, 5, 10]),
  status: someOf("status", ["Active", "Halted"]),
  min_volume: amount("volume"),
  search: line("search", 8),
  after: marketId("after"),
};

function refusal(query: string): ApiError {
  try {
    parseQuery(query, PARAMETERS);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error(`${query} was understood`);
}

describe("parameters of a query", () => {
  it("parameters - each is read in its form, and those not given are missing", () => {
    expect(parseQuery("", PARAMETERS)).toEqual({});
    expect(
      parseQuery(
        `limit=1000&from=${Number.MAX_SAFE_INTEGER}&depth=5&status=Halted,Active&min_volume=1.5e3` +
          `&search=r%C3%A4in+x&after=${2n ** 128n - 1n}`,
        PARAMETERS,
      ),
    ).toEqual({
      limit: 1000,
      from: Number.MAX_SAFE_INTEGER,
      depth: 5,
      status: ["Halted", "Active"],
      min_volume: 1500,
      search: "räin x",
      after: `${2n ** 128n - 1n}`,
    });
  });

  it.each([
    ["limit=0", "limit", '"0"', "from 1 to 1000"],
    ["limit=1001", "limit", '"1001"', "from 1 to 1000"],
    ["limit=", "limit", '""', "from 1 to 1000"],
    ["limit=1.0", "limit", '"1.0"', "integer"],
    ["limit=+1", "limit", '" 1"', "integer"],
    ["limit=01", "limit", '"01"', "integer"],
    ["limit=0x10", "limit", '"0x10"', "integer"],
    ["from=-1", "from", '"-1"', "integer"],
    ["from=9007199254740992", "from", '"9007199254740992"', "9007199254740991"],
    ["depth=7", "depth", '"7"', "1, 5, 10"],
    ["status=active", "status", '"active"', "Active, Halted"],
    ["status=Active,", "status", '"Active,"', "Active, Halted"],
    ["min_volume=-1", "min_volume", '"-1"', "not negative"],
    ["min_volume=1e999", "min_volume", '"1e999"', "not negative"],
    ["min_volume=NaN", "min_volume", '"NaN"', "not negative"],
    ["search=123456789", "search", '"123456789"', "8 printable"],
    ["search=%ED%A0%80", "search", '"\ufffd\ufffd\ufffd"', "UTF-8"],
    ["search=a%0Ab", "search", '"a\\nb"', "printable"],
    ["after=x", "after", '"x"', "2^128-1"],
    [`after=${2n ** 128n}`, "after", `"${2n ** 128n}"`, "2^128-1"],
  ])("parameters - %s is refused, with name, value and rule", (query, field, value, rule) => {
    const { code, message, details, status } = refusal(query);
    expect({ code, details, status }).toEqual({
      code: "INVALID_MESSAGE",
      details: { field },
      status: 400,
    });
    expect(message).toContain(`${field} is ${value}`);
    expect(message).toContain(rule);
  });

  it("parameters - one that is there twice is refused, even with the same value", () => {
    expect(refusal("limit=5&limit=5").message).toBe("the parameter limit is given twice");
    expect(refusal("limit=5&depth=1&%6cimit=6").message).toContain("limit is given twice");
  });

  it("parameters - one that is required and missing is refused", () => {
    const parameters = { interval: required(oneOf("interval", ["1s", "1m"])) };
    expect(parseQuery("interval=1m", parameters)).toEqual({ interval: "1m" });
    expect(() => parseQuery("", parameters)).toThrow(
      "the parameter interval is missing: it takes one of 1s, 1m",
    );
  });

  it("parameters - a slip in a name is refused, names that are nobody's are ignored", () => {
    expect(refusal("limt=5").message).toBe('the parameter "limt" is spelled limit');
    expect(refusal("minVolume=5").details).toEqual({ field: "min_volume" });
    expect(parseQuery("_=1790000000&utm_source=x&__proto__=1&toString=2", PARAMETERS)).toEqual({});
  });

  it("parameters - a long value is shown cut", () => {
    expect(refusal(`limit=${"9".repeat(5000)}`).message.length).toBeLessThan(200);
  });
});
