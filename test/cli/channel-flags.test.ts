import { describe, expect, it } from "vitest";
import { type ChannelFlags, channelsOf, checkChannelFlags } from "../../src/cli/channel-flags.js";
import type { Channel } from "../../src/client/node.js";

describe("channel flags", () => {
  it.each<[ChannelFlags, readonly Channel[]]>([
    [{ channel: ["Markets"] }, [{ type: "Markets", params: { filter: {} } }]],
    [
      { channel: ["Markets"], status: ["Active"], search: "x", minVolume: 0, maxVolume: 9 },
      [
        {
          type: "Markets",
          params: { filter: { status: ["Active"], search: "x", min_volume: 0, max_volume: 9 } },
        },
      ],
    ],
    [
      { channel: ["Market", "PriceFeed", "Trades", "Market"], market: [7, 8] },
      [
        { type: "Market", params: { market_id: 7 } },
        { type: "Market", params: { market_id: 8 } },
        { type: "PriceFeed", params: { market_ids: [7, 8] } },
        { type: "Trades", params: { market_id: 7 } },
        { type: "Trades", params: { market_id: 8 } },
      ],
    ],
    [
      { channel: ["Presence"], market: [7], name: ["desk-1", "desk-2"] },
      [
        { type: "Presence", params: { market_id: 7 } },
        { type: "Presence", params: { channel: "desk-1" } },
        { type: "Presence", params: { channel: "desk-2" } },
      ],
    ],
    [
      { channel: ["Presence"], name: ["desk-1"] },
      [{ type: "Presence", params: { channel: "desk-1" } }],
    ],
    [{ channel: ["Trades", "SystemStatus"] }, [{ type: "Trades" }, { type: "SystemStatus" }]],
    [
      { channel: ["Private"], name: ["desk-1", "desk-2"] },
      [
        { type: "Private", params: { channel: "desk-1" } },
        { type: "Private", params: { channel: "desk-2" } },
      ],
    ],
    [
      { channel: ["Orders", "Positions"] },
      [
        { type: "Orders", params: { wallet: "w" } },
        { type: "Positions", params: { wallet: "w" } },
      ],
    ],
  ])("channel flags - %j ask for %j", (flags, channels) => {
    expect(() => checkChannelFlags(flags)).not.toThrow();
    expect(channelsOf(flags, () => "w")).toEqual(channels);
  });

  it.each<[ChannelFlags, string]>([
    [{ channel: ["PriceFeed"] }, "market: PriceFeed needs at least one (flag --market)"],
    [{ channel: ["Trades", "Market"] }, "market: Market needs at least one (flag --market)"],
    [
      { channel: ["Markets"], market: [7] },
      "market: is for Market, PriceFeed, Book, Trades, Candles, Presence only",
    ],
    [{ channel: ["Trades"], status: ["Active"] }, "status: is for Markets only"],
    [{ channel: ["Trades"], search: "x" }, "search: is for Markets only"],
    [{ channel: ["Trades"], minVolume: 1 }, "min-volume: is for Markets only"],
    [{ channel: ["Trades"], maxVolume: 1 }, "max-volume: is for Markets only"],
    [{ channel: ["Presence"] }, "market: Presence needs a market (flag --market) or a private"],
    [{ channel: ["Private"] }, "name: Private needs at least one (flag --name)"],
    [{ channel: ["Trades"], name: ["desk-1"] }, "name: is for Private, Presence only"],
    [{ channel: ["Trades"], wallet: "w" }, "wallet: is for Orders, Positions only"],
  ])("channel flags - %j are refused", (flags, message) => {
    expect(() => checkChannelFlags(flags)).toThrow(message);
  });
});
