import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { counterBlockOf, createCounterBuffer } from "../../src/counters/counters.js";
import { RELAY } from "../../src/counters/relay-counters.js";
import { OriginLease } from "../../src/relay/origin-lease.js";
import { LeaseTerm } from "../../src/shared/lease-term.js";
import { machineMs } from "../../src/shared/machine-clock.js";
import { relayTargetOf } from "../../src/shared/relay-url.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";

const LEASE_MS = 1000;

/** A process that is meant as the origin, but for the process. */
class Node {
  readonly term = new LeaseTerm();
  readonly counters = counterBlockOf(createCounterBuffer(1)).relay;
  readonly reasons: string[] = [];
  isLost = false;
  isOrigin = false;
  readonly lease: OriginLease;

  constructor(name: string, redis: RedisServer) {
    this.lease = new OriginLease({
      target: relayTargetOf(redis.url),
      prefix: "p",
      leaseMs: LEASE_MS,
      owner: { run: `run-${name}`, node: name },
      term: this.term,
      counters: this.counters,
      waiting: (reason) => this.reasons.push(reason),
      lost: () => {
        this.isLost = true;
      },
      log: pino({ level: "silent" }),
    });
    void this.lease.take().then(() => {
      this.isOrigin = true;
    });
  }
}

describe.skipIf(!HAS_REDIS)(`origin lease${NO_REDIS}`, () => {
  let redis: RedisServer;
  const nodes: Node[] = [];

  beforeEach(async () => {
    redis = await RedisServer.start();
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(({ lease }) => lease.giveBack()));
    await redis.dispose();
  });

  function node(name: string): Node {
    const started = new Node(name, redis);
    nodes.push(started);
    return started;
  }

  async function origin(name: string): Promise<Node> {
    const started = node(name);
    await until(`${name} is the origin`, () => started.isOrigin);
    return started;
  }

  async function standby(name: string): Promise<Node> {
    const started = node(name);
    await until(`${name} stands by`, () => started.reasons.length > 0);
    return started;
  }

  it("origin lease - of many that ask at once one is the origin, and each next one when that gives it back", async () => {
    const all = ["a", "b", "c", "d", "e"].map(node);
    const fences: number[] = [];
    while (fences.length < all.length) {
      await until("there is an origin", () => all.some(({ isOrigin }) => isOrigin));
      const [first, ...others] = all.filter(({ isOrigin }) => isOrigin) as [Node, ...Node[]];
      expect(others).toEqual([]);
      expect(first.term.isOver).toBe(false);
      fences.push(first.lease.fence);
      first.isOrigin = false;
      await first.lease.giveBack();
    }
    expect(fences).toEqual([...new Set(fences)].sort((one, other) => one - other));
  });

  it("origin lease - one that stands by says who the origin is, and takes over when that renews no more", async () => {
    const first = await origin("a");
    const second = await standby("b");
    expect(second.reasons).toEqual(["a is the origin; this node takes over when its lease ends"]);
    await sleep(2 * LEASE_MS);
    expect([second.isOrigin, first.term.isOver]).toEqual([false, false]);
    // As if its process had been killed.
    const renewing = redis.cli("GET", "p:lease");
    first.lease.lose();
    expect(redis.cli("GET", "p:lease")).toBe(renewing);
    const lostAt = performance.now();
    await until("the next origin", () => second.isOrigin);
    expect(performance.now() - lostAt).toBeLessThan(LEASE_MS + 1000);
    expect(second.lease.fence).toBeGreaterThan(first.lease.fence);
    expect([first.isLost, first.term.isOver, second.term.isOver]).toEqual([true, true, false]);
  });

  it("origin lease - a Redis that has lost everything leaves it to who has it", async () => {
    const first = await origin("a");
    const second = await standby("b");
    const { fence } = first.lease;
    const seenAgain = async (): Promise<void> => {
      second.reasons.length = 0;
      await until("b sees a again", () => second.reasons.at(-1)?.startsWith("a is"));
    };
    for (let time = 0; time < 3; time++) {
      redis.cli("FLUSHALL");
      await seenAgain();
    }
    await redis.kill();
    await sleep(LEASE_MS);
    await redis.start();
    await seenAgain();
    await sleep(2 * LEASE_MS);
    expect([first.isLost, second.isOrigin]).toEqual([false, false]);
    expect(redis.cli("GET", "p:lease")).toBe(`${fence} run-a a`);
    expect(redis.cli("GET", "p:fence")).toBe(String(fence));
  });

  it("origin lease - while Redis is away its term goes on, and the lease is its own when Redis is back", async () => {
    const first = await origin("a");
    const second = await standby("b");
    let over = 0;
    const looks = setInterval(() => {
      if (first.term.isOver) over++;
    }, 1);
    redis.signal("SIGSTOP");
    await sleep(4 * LEASE_MS);
    redis.signal("SIGCONT");
    const renewals = first.counters[RELAY.leaseRenewals] ?? 0;
    await until("it is renewed", () => (first.counters[RELAY.leaseRenewals] ?? 0) > renewals + 4);
    clearInterval(looks);
    expect(over).toBe(0);
    expect([first.isLost, second.isOrigin]).toEqual([false, false]);
    expect(first.counters[RELAY.leaseFailures]).toBeGreaterThan(0);
  });

  it("origin lease - a process that was held up for longer has no certain term until Redis has said so", async () => {
    const first = await origin("a");
    await until("it is renewed", () => (first.counters[RELAY.leaseRenewals] ?? 0) > 1);
    redis.signal("SIGSTOP");
    const heldUpTo = machineMs() + 1.5 * LEASE_MS;
    while (machineMs() < heldUpTo);
    expect(first.term.isOver).toBe(true);
    // Its timers are all due, and whatever they do is no answer.
    await sleep(LEASE_MS / 4);
    expect(first.term.isOver).toBe(true);
    redis.signal("SIGCONT");
    await until("it is certain again", () => !first.term.isOver);
    expect(first.isLost).toBe(false);
  });

  it("origin lease - one whose lease was taken over hears of it with the next renewal, and renews no more", async () => {
    const first = await origin("a");
    redis.cli("SET", "p:lease", `${first.lease.fence + 1} run-x x`);
    await until("it is lost", () => first.isLost);
    expect(first.term.isOver).toBe(true);
    const renewals = first.counters[RELAY.leaseRenewals];
    await sleep(LEASE_MS);
    expect(first.counters[RELAY.leaseRenewals]).toBe(renewals);
    expect(redis.cli("GET", "p:lease")).toBe(`${first.lease.fence + 1} run-x x`);
  });

  it("origin lease - one that starts while Redis is away waits for it", async () => {
    await redis.kill();
    const first = await standby("a");
    expect(first.reasons.join()).toContain("cannot be reached");
    await redis.start();
    await until("it is the origin", () => first.isOrigin);
  });
});
