import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LeaseLook, LeaseScripts } from "../../src/relay/lease-scripts.js";
import { openRedis, type RedisLink } from "../../src/relay/redis-link.js";
import { relayKeys } from "../../src/relay/relay-keys.js";
import { Random } from "../../src/shared/random.js";
import { relayTargetOf } from "../../src/shared/relay-url.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { drawSeed } from "../support/seeds.js";

/** Longer than any test: leases end when the test has them end. */
const LEASE_MS = 600_000;
const RUNS = ["run-a", "run-b", "run-c"] as const;
type Run = (typeof RUNS)[number];
const STEPS = 1000;

/** What anybody would write down of a lease: who has it, and the highest number that was given out. */
interface Model {
  known: number;
  lease: { readonly fence: number; readonly run: Run | "free" } | undefined;
}

function take(model: Model, run: Run, unheld: boolean): LeaseLook["outcome"] {
  const { lease } = model;
  if (lease?.run === run) return "taken";
  if (lease !== undefined && lease.run !== "free") return "other";
  if (lease === undefined && !unheld) return "unheld";
  return "taken";
}

/** Whoever has the highest number of all goes on. */
function renew({ known, lease }: Model, run: Run, fence: number): boolean {
  if (known > fence) return false;
  return lease === undefined || lease.fence < fence || (lease.fence === fence && lease.run === run);
}

describe.skipIf(!HAS_REDIS)(`lease scripts${NO_REDIS}`, () => {
  let redis: RedisServer;
  let link: RedisLink;
  const keys = relayKeys("p");
  const own = new Map<Run, LeaseScripts>();

  beforeAll(async () => {
    redis = await RedisServer.start();
    link = await openRedis(relayTargetOf(redis.url));
    for (const run of RUNS) {
      const owner = { run, node: `node of ${run}` };
      own.set(run, new LeaseScripts(link, keys, owner, LEASE_MS, 2000));
    }
  });
  afterAll(async () => {
    link?.close();
    await redis?.dispose();
  });

  const text = async (key: string): Promise<string | undefined> =>
    (await link.send(["GET", key]))?.toString();
  const put = (key: string, value: string | undefined) =>
    link.send(value === undefined ? ["DEL", key] : ["SET", key, value]);

  it("lease scripts - do in any history what an obvious model does, and no number is given twice", async () => {
    const random = new Random(drawSeed("lease histories"));
    const model: Model = { known: 0, lease: undefined };
    const given = new Set<number>();
    /** Of each run, as it takes it to be. */
    const fences = new Map<Run, number>();
    let former: { readonly texts: (string | undefined)[]; readonly model: Model } | undefined;
    let lost = false;
    await link.send(["FLUSHALL"]);
    for (let step = 0; step < STEPS; step++) {
      const run = RUNS[random.below(RUNS.length)] as Run;
      const scripts = own.get(run) as LeaseScripts;
      const fence = fences.get(run);
      const what = random.below(100);
      if (what < 40 && fence === undefined) {
        const unheld = random.below(2) === 0;
        const expected = take(model, run, unheld);
        const look = await scripts.take(unheld);
        expect(look.outcome, `step ${step}`).toBe(expected);
        if (look.outcome === "other") {
          expect(look).toMatchObject({
            fence: model.lease?.fence,
            node: `node of ${model.lease?.run}`,
          });
        } else if (look.outcome === "unheld") {
          expect(look.fence).toBe(model.known);
        } else if (model.lease?.run !== run) {
          expect(look.fence).toBeGreaterThan(model.known);
          // A memory that was lost may give a number again, of which the clock makes sure outside of this test.
          if (!lost) expect(given).not.toContain(look.fence);
          given.add(look.fence);
          model.known = look.fence;
          model.lease = { fence: look.fence, run };
          fences.set(run, look.fence);
        } else fences.set(run, look.fence);
      } else if (what < 80 && fence !== undefined) {
        const holds = renew(model, run, fence);
        expect(await scripts.renew(fence), `step ${step}`).toBe(holds);
        if (holds) {
          model.known = Math.max(model.known, fence);
          model.lease = { fence, run };
        } else fences.delete(run);
      } else if (what < 85 && fence !== undefined) {
        await scripts.giveBack(fence);
        if (model.lease?.run === run && model.lease.fence === fence)
          model.lease = { fence, run: "free" };
        fences.delete(run);
      } else if (what < 92) {
        // Its time is over.
        await put(keys.lease, undefined);
        if (model.lease !== undefined) model.lease = undefined;
      } else if (what < 94) {
        former = {
          texts: [await text(keys.lease), await text(keys.fence)],
          model: { ...model },
        };
      } else if (what < 95 && former !== undefined) {
        // A failover that has lost the last writes.
        await put(keys.lease, former.texts[0]);
        await put(keys.fence, former.texts[1]);
        Object.assign(model, former.model);
        lost = true;
      }
      expect(Number((await text(keys.fence)) ?? 0), `step ${step}`).toBe(model.known);
    }
    expect(given.size).toBeGreaterThan(10);
  });

  it("lease scripts - the number is no less than the second, whatever Redis has forgotten", async () => {
    await link.send(["FLUSHALL"]);
    const look = await (own.get("run-a") as LeaseScripts).take(true);
    expect(look).toMatchObject({ outcome: "taken" });
    expect((look as { fence: number }).fence).toBeGreaterThan(Date.now() / 1000 - 60);
  });

  it("lease scripts - a full Redis renews a lease that is there", async () => {
    await link.send(["FLUSHALL"]);
    const scripts = own.get("run-a") as LeaseScripts;
    const look = (await scripts.take(true)) as { readonly fence: number };
    await link.send(["PEXPIRE", keys.lease, "5000"]);
    await link.send(["CONFIG", "SET", "maxmemory", "1"]);
    expect(await scripts.renew(look.fence)).toBe(true);
    expect(Number(await link.send(["PTTL", keys.lease]))).toBeGreaterThan(5000);
    await link.send(["CONFIG", "SET", "maxmemory", "0"]);
  });
});
