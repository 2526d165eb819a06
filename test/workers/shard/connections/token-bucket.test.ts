import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenBucket } from "../../../../src/workers/shard/connections/token-bucket.js";

/** How many of `tries` at one moment are allowed, refusals given back. */
function allowed(bucket: TokenBucket, now: number, tries: number): number {
  let taken = 0;
  for (let attempt = 0; attempt < tries; attempt++) {
    if (bucket.take(now) >= 0) taken++;
    else bucket.giveBack();
  }
  return taken;
}

describe("token-bucket", () => {
  it("token-bucket - a second's worth is there at first, and never more than that", () => {
    const bucket = new TokenBucket(5000, 10);
    expect(allowed(bucket, 5000, 15)).toBe(10);
    expect(allowed(bucket, 5099, 15)).toBe(0);
    expect(allowed(bucket, 5100, 15)).toBe(1);
    expect(allowed(bucket, 5600, 15)).toBe(5);
    expect(allowed(bucket, 1e9, 15)).toBe(10);
  });

  it("token-bucket - what is taken over it is a debt, unless it is given back", () => {
    const bucket = new TokenBucket(0, 4);
    expect([4, 3, 2, 1, 0, -1, -2].slice(1)).toEqual(
      Array.from({ length: 6 }, () => bucket.take(0)),
    );
    // Two of debt and one to take: three quarters of a second.
    expect(bucket.take(749)).toBeLessThan(0);
    bucket.giveBack();
    expect(bucket.take(750)).toBeCloseTo(0, 9);
  });

  it("token-bucket - several are taken whole or not at all, more than a second's worth from a full one", () => {
    const bucket = new TokenBucket(0, 10);
    expect([bucket.tryTake(0, 11), bucket.tryTake(0, 1)]).toEqual([true, false]);
    // One of debt, and one to take.
    expect([bucket.waitMs(0), bucket.waitMs(0, 4), bucket.waitMs(0, 50)]).toEqual([200, 500, 1100]);
    expect([bucket.tryTake(499, 4), bucket.tryTake(500, 4), bucket.left(500)]).toEqual([
      false,
      true,
      0,
    ]);
  });

  it("token-bucket - over any time no more is allowed than a second's worth and what that time earns", () => {
    const steps = fc.array(fc.tuple(fc.nat(400), fc.nat(20)), { maxLength: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), steps, (perSecond, tries) => {
        const bucket = new TokenBucket(0, perSecond);
        let now = 0;
        let taken = 0;
        for (const [wait, count] of tries) {
          now += wait;
          taken += allowed(bucket, now, count);
          expect(taken).toBeLessThanOrEqual(perSecond + (now / 1000) * perSecond + 1e-9);
        }
        // Nor is anybody kept waiting who has waited a second.
        expect(allowed(bucket, now + 1000, perSecond)).toBe(perSecond);
      }),
    );
  });

  it("token-bucket - what is reserved goes at once or waits for its time, and no time is given twice", () => {
    const bucket = new TokenBucket(5000, 10);
    expect(Array.from({ length: 10 }, () => bucket.reserve(5000))).toEqual(Array(10).fill(0));
    expect([1, 2, 3].map(() => bucket.reserve(5000))).toEqual([100, 200, 300]);
    expect(bucket.reserve(5400)).toBe(0);
    expect(bucket.reserve(5400)).toBe(100);
  });

  it("token-bucket - says when one more is allowed", () => {
    const bucket = new TokenBucket(0, 4);
    expect(bucket.waitMs(0)).toBe(0);
    for (let taken = 0; taken < 5; taken++) bucket.take(0);
    expect(bucket.waitMs(0)).toBe(500);
    expect(bucket.waitMs(500)).toBe(0);
  });
});
