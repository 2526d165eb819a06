import { describe, expect, it } from "vitest";
import { costsIn } from "../../../bench/scaling/costs.js";

const FANOUT = {
  benches: {
    fanout: {
      parameters: { messageBytes: 141 },
      results: {
        memory: {
          subscribed: {
            marketcast: [9, 11, 30].map((kib) => ({
              bytesPerConnection: kib * 1024,
              bytesBefore: kib * 1e7,
            })),
          },
        },
        rates: { "100": { marketcast: [{ serverMicrosPerDelivery: 9 }] } },
      },
    },
  },
};
const RELAY = {
  benches: {
    relay: {
      results: {
        marketData: { delays: { bytesPerRecord: 31 } },
        scaling: { redisMicrosPerEntry: 20, redisMicrosPerRead: 7, marketBytes: Number.NaN },
      },
    },
  },
};

describe("scaling costs", () => {
  it("scaling costs - medians of a bench's trials, by the names that its JSON has", () => {
    expect(costsIn([FANOUT])).toEqual({
      connectionBytes: 11 * 1024,
      nodeBytes: 11e7,
      deliveryMicros: 9,
      messageBytes: 141,
    });
  });

  it("scaling costs - several files are put together, the last one's figure counts, and what is no number does not", () => {
    expect(costsIn([RELAY, FANOUT])).toMatchObject({ recordBytes: 31, deliveryMicros: 9 });
    const later = {
      benches: { relay: { results: { scaling: { redisMicrosPerRead: 8 } } } },
    };
    const costs = costsIn([RELAY, later]);
    expect(costs).toEqual({ recordBytes: 31, redisMicrosPerEntry: 20, redisMicrosPerRead: 8 });
    expect(costsIn([{}, { benches: { fanout: { results: { memory: null } } } }])).toEqual({});
  });
});
