import { describe, expect, it } from "vitest";
import {
  CHANNEL_KINDS,
  CHANNEL_TYPES,
  channelKey,
  isNamed,
  isPrivate,
  marketIdsOf,
  PRIVATE_TYPES,
} from "../../src/contract/channel-kinds.js";
import type { Channel } from "../../src/contract/messages.js";

const wallet = { wallet: "w" };

/** One channel of each type, and the markets it names. */
const CHANNELS: readonly (readonly [Channel, readonly (number | string)[]])[] = [
  [{ type: "Markets", params: { filter: { search: "x" } } }, []],
  [{ type: "Market", params: { market_id: 7 } }, [7]],
  [{ type: "PriceFeed", params: { market_ids: [1, "9007199254740993"] } }, [1, "9007199254740993"]],
  [{ type: "Book", params: { market_id: 3, depth: 5 } }, [3]],
  [{ type: "Trades", params: { market_id: 3 } }, [3]],
  [{ type: "Orders", params: wallet }, []],
  [{ type: "Positions", params: wallet }, []],
  [{ type: "SystemStatus" }, []],
  [{ type: "Candles", params: { market_id: 9, interval: "1m" } }, [9]],
  [{ type: "Heartbeat" }, []],
  [{ type: "Private", params: { channel: "desk-1" } }, []],
  [{ type: "Presence", params: { market_id: 10 } }, [10]],
];

describe("channel kinds", () => {
  it("channel kinds - there is one for each type of channel, in the order that counts them", () => {
    expect(CHANNEL_TYPES).toEqual(CHANNELS.map(([{ type }]) => type));
  });

  it("channel kinds - a channel names the markets that it is of", () => {
    for (const [channel, ids] of CHANNELS) expect(marketIdsOf(channel)).toEqual(ids);
    expect(marketIdsOf({ type: "Trades" })).toEqual([]);
    expect(marketIdsOf({ type: "Trades", params: {} })).toEqual([]);
  });

  it("channel kinds - Orders and Positions are private, and no other", () => {
    expect(PRIVATE_TYPES).toEqual(["Orders", "Positions"]);
    const names = CHANNELS.map(([channel]) => channel).filter(isPrivate);
    expect(names.map(({ type }) => type)).toEqual(PRIVATE_TYPES);
  });

  it("channel kinds - Private is one that users publish to, and no other", () => {
    const names = CHANNELS.map(([channel]) => channel).filter(isNamed);
    expect(names.map(({ type }) => type)).toEqual(["Private"]);
  });

  it("channel kinds - a feed waits for subscribers of market data only", () => {
    const types = CHANNEL_TYPES.filter((type) => CHANNEL_KINDS[type].marketData);
    expect(types).toEqual(["Markets", "Market", "PriceFeed", "Book", "Trades", "Candles"]);
  });

  it("channel kinds - channels that differ have keys that do, and equal ones the same", () => {
    const keys = CHANNELS.map(([channel]) => channelKey(channel));
    expect(new Set(keys).size).toBe(CHANNELS.length);
    expect(CHANNELS.map(([channel]) => channelKey(structuredClone(channel)))).toEqual(keys);
  });
});
