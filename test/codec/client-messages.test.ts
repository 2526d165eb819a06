import { describe, expect, it } from "vitest";
import { CHANNELS_PER_REQUEST_MAX } from "../../src/codec/channels.js";
import {
  clientData,
  REQUEST_ID_CHARACTERS_MAX,
  requestIdSchema,
} from "../../src/codec/client-messages.js";

describe("client-messages", () => {
  it("client-messages - a request id is a safe integer or a short string", () => {
    const taken = [0, -1, Number.MAX_SAFE_INTEGER, "", "x".repeat(REQUEST_ID_CHARACTERS_MAX)];
    for (const id of taken) expect(requestIdSchema.parse(id)).toBe(id);
    const refused = [1.5, 2 ** 53, Number.NaN, 1n, null, {}, [], true];
    for (const id of [...refused, "x".repeat(REQUEST_ID_CHARACTERS_MAX + 1)])
      expect(requestIdSchema.safeParse(id).success).toBe(false);
  });

  it("client-messages - a request names 1 to 100 channels, told back each of them once", () => {
    const channels = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ type: "Market", params: { market_id: at } }));
    for (const schema of [clientData.Subscribe, clientData.Unsubscribe]) {
      expect(schema.safeParse({ channels: [] }).success).toBe(false);
      expect(schema.safeParse({}).success).toBe(false);
      const most = channels(CHANNELS_PER_REQUEST_MAX);
      expect(schema.parse({ channels: most }).channels).toEqual(most);
      expect(schema.safeParse({ channels: channels(CHANNELS_PER_REQUEST_MAX + 1) }).success).toBe(
        false,
      );
      const twice = [
        { type: "Market", params: { market_id: "7" } },
        { type: "Markets" },
        { type: "Market", params: { market_id: 7 } },
        { params: null, type: "Markets" },
      ];
      expect(schema.parse({ channels: twice }).channels).toEqual([
        { type: "Market", params: { market_id: 7 } },
        { type: "Markets", params: null },
      ]);
    }
  });
});
