import { expect, it } from "vitest";
import { AddressShares } from "../../../../src/workers/shard/connections/address-shares.js";

const LIMITS = {
  maxHttpRequestsPerSecondPerAddress: 5,
  maxMessagesPerSecondPerAddress: 10,
  maxBytesPerSecondPerAddress: 1000,
};

it("address-shares - connections of an address have one share, those of another their own", () => {
  const shares = new AddressShares(LIMITS);
  const [one, two, other] = [
    shares.acquire("10.0.0.1", 0),
    shares.acquire("10.0.0.1", 0),
    shares.acquire("10.0.0.2", 0),
  ];
  expect(two).toBe(one);
  expect(other).not.toBe(one);
  expect([one.messages.left(0), one.bytes.left(0)]).toEqual([10, 1000]);
});

it("address-shares - who comes back at once has spent what it has spent; later it is forgotten", () => {
  const shares = new AddressShares(LIMITS);
  const share = shares.acquire("10.0.0.1", 0);
  share.messages.take(0, 15);
  shares.release(share);
  shares.sweep(100);
  expect(shares.acquire("10.0.0.1", 100)).toBe(share);
  expect(share.messages.left(100)).toBe(-4);
  shares.release(share);
  shares.sweep(1400);
  expect(shares.size).toBe(1);
  shares.sweep(1500);
  expect(shares.size).toBe(0);
});

it("address-shares - an address with a connection is never forgotten", () => {
  const shares = new AddressShares(LIMITS);
  const share = shares.acquire("10.0.0.1", 0);
  shares.acquire("10.0.0.1", 0);
  shares.release(share);
  shares.sweep(60_000);
  expect(shares.size).toBe(1);
});
