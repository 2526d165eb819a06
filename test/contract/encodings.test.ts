import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ENCODINGS,
  negotiateEncoding,
  subprotocolOf,
  subprotocols,
} from "../../src/contract/encodings.js";

describe("encodings", () => {
  it("encodings - names, indices and subprotocols are the contract's", () => {
    expect(ENCODINGS).toEqual(["json", "msgpack", "protobuf"]);
    expect(subprotocols()).toEqual([
      "marketcast.json",
      "marketcast.msgpack",
      "marketcast.protobuf",
    ]);
    for (const encoding of ENCODINGS)
      expect(negotiateEncoding([subprotocolOf(encoding)])).toBe(encoding);
    expect(negotiateEncoding(["MARKETCAST.JSON"])).toBeUndefined();
  });

  it("encodings - the first known subprotocol wins; none offered is JSON; none known is refused", () => {
    const names = fc.constantFrom(...subprotocols(), "mqtt", "", "json");
    fc.assert(
      fc.property(fc.array(names), (offered) => {
        const first = offered.find((name) => name.startsWith("marketcast."));
        const expected = ENCODINGS.find((encoding) => subprotocolOf(encoding) === first);
        const fallback = offered.length === 0 ? "json" : undefined;
        expect(negotiateEncoding(offered)).toBe(first === undefined ? fallback : expected);
        expect(negotiateEncoding(new Set(offered))).toBe(negotiateEncoding(offered));
      }),
    );
  });
});
