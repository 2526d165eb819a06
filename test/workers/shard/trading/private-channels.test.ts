import { beforeEach, describe, expect, it } from "vitest";
import type { PrivateChannel } from "../../../../src/contract/channel-kinds.js";
import { CHANNEL_TYPES } from "../../../../src/contract/channel-kinds.js";
import { counted, SHARD } from "../../../../src/counters/counters.js";
import type { Connection } from "../../../../src/workers/shard/connections/connection.js";
import { PrivateChannels } from "../../../../src/workers/shard/trading/private-channels.js";
import { ShardWorld } from "../../../support/shard-world.js";

const orders = (wallet: string): PrivateChannel => ({ type: "Orders", params: { wallet } });
const positions = (wallet: string): PrivateChannel => ({ type: "Positions", params: { wallet } });

let world: ShardWorld;
let channels: PrivateChannels;
let one: Connection;
let other: Connection;

beforeEach(() => {
  world = new ShardWorld();
  channels = new PrivateChannels(world.counters);
  one = world.connect(0).connection;
  other = world.connect(1).connection;
});

const subscribed = (type: PrivateChannel["type"]): number =>
  counted(world.counters, SHARD.subscriptionsByChannel + CHANNEL_TYPES.indexOf(type));

describe("private-channels", () => {
  it("private-channels - a channel is live from its snapshot on, each by itself", () => {
    channels.add(one, orders("w"), 1);
    channels.add(one, positions("w"), 1);
    channels.add(other, orders("w"), 1);
    expect([...channels.live("w", "Orders")]).toEqual([]);
    expect(channels.goLive(one, "w", "Orders", 1)).toBe(true);
    expect([...channels.live("w", "Orders")]).toEqual([one]);
    expect([...channels.live("w", "Positions")]).toEqual([]);
    expect([...channels.live("x", "Orders")]).toEqual([]);
    // Subscribing again does not interrupt it.
    channels.add(one, orders("w"), 1);
    expect([...channels.live("w", "Orders")]).toEqual([one]);
    expect(channels.goLive(other, "w", "Orders", 1)).toBe(true);
    expect([...channels.live("w", "Orders")]).toEqual([one, other]);
    expect([...channels.watching("w")]).toEqual([one, other]);
    channels.awaitAll();
    expect([...channels.live("w", "Orders")]).toEqual([]);
    expect([...channels.watching("w")]).toEqual([one, other]);
  });

  it("private-channels - what was not subscribed, or is not any more, does not go live", () => {
    channels.add(one, orders("w"), 1);
    expect(channels.goLive(one, "w", "Positions", 1)).toBe(false);
    expect(channels.goLive(one, "x", "Orders", 1)).toBe(false);
    expect(channels.goLive(other, "w", "Orders", 1)).toBe(false);
    channels.remove(one, orders("w"));
    expect(channels.goLive(one, "w", "Orders", 1)).toBe(false);
    expect([...channels.live("w", "Orders")]).toEqual([]);
  });

  it("private-channels - a snapshot that was asked for before is not that of the subscription", () => {
    channels.add(one, orders("w"), 5);
    channels.remove(one, orders("w"));
    channels.add(one, orders("w"), 8);
    expect(channels.goLive(one, "w", "Orders", 7)).toBe(false);
    expect([...channels.live("w", "Orders")]).toEqual([]);
    expect(channels.goLive(one, "w", "Orders", 8)).toBe(true);
    // Asking again does not make it another subscription.
    channels.add(one, orders("w"), 12);
    channels.awaitAll();
    expect(channels.goLive(one, "w", "Orders", 9)).toBe(true);
  });

  it("private-channels - the last channel of a wallet is told as such, and nothing of it remains", () => {
    channels.add(one, orders("w"), 1);
    channels.add(one, positions("w"), 1);
    channels.add(other, orders("w"), 1);
    channels.add(one, orders("v"), 1);
    expect([...channels.wallets]).toEqual(["w", "v"]);
    expect(channels.of(one)).toEqual([orders("w"), positions("w"), orders("v")]);
    expect(channels.remove(one, orders("w"))).toBe(false);
    expect(channels.remove(one, orders("w"))).toBe(false);
    expect([...(one.wallets ?? [])]).toEqual(["w", "v"]);
    expect(channels.remove(one, positions("w"))).toBe(false);
    expect([...(one.wallets ?? [])]).toEqual(["v"]);
    expect(channels.remove(other, positions("w"))).toBe(false);
    expect(channels.remove(other, orders("w"))).toBe(true);
    expect(channels.remove(other, orders("w"))).toBe(false);
    expect(channels.remove(one, orders("v"))).toBe(true);
    expect([...channels.wallets]).toEqual([]);
    expect([channels.of(one), channels.of(other)]).toEqual([[], []]);
    expect([one.subscribed, other.subscribed]).toEqual([false, false]);
  });

  it("private-channels - a connection with a wallet's channel is subscribed, so it is not idle", () => {
    expect(one.subscribed).toBe(false);
    channels.add(one, positions("w"), 1);
    expect(one.subscribed).toBe(true);
  });

  it("private-channels - subscriptions are counted by channel, each of them once", () => {
    channels.add(one, orders("w"), 1);
    channels.add(one, orders("w"), 1);
    channels.add(one, orders("v"), 1);
    channels.add(other, orders("w"), 1);
    channels.add(other, positions("w"), 1);
    channels.goLive(one, "w", "Orders", 1);
    channels.awaitAll();
    expect([subscribed("Orders"), subscribed("Positions")]).toEqual([3, 1]);
    for (const channel of [orders("w"), orders("w"), orders("v")]) channels.remove(one, channel);
    for (const channel of [orders("w"), positions("w")]) channels.remove(other, channel);
    expect([subscribed("Orders"), subscribed("Positions")]).toEqual([0, 0]);
  });
});
