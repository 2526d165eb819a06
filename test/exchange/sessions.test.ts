import { expect, it } from "vitest";
import { type SessionPlace, Sessions } from "../../src/exchange/sessions.js";
import { EDGE_LEASE_MS, edgeShardNumber } from "../../src/shared/edge-shards.js";
import { Random } from "../../src/shared/random.js";
import type { SessionTerms } from "../../src/shared/session.js";
import type { StoredSession } from "../../src/store/records.js";
import type { SessionClaim } from "../../src/workers/messages.js";

const MAX_WAITING = 3;

/** A registry on a clock of its own, with all that it has told. */
class Desk {
  now = 0;
  readonly ended: [string, string][] = [];
  readonly taken: [SessionPlace, string][] = [];
  readonly shardsOver: number[] = [];
  waiting = 0;
  crowdedOut = 0;
  readonly sessions: Sessions;

  constructor(run = "run", maxWaiting = MAX_WAITING) {
    this.sessions = new Sessions(
      { now: () => this.now, maxWaiting, run },
      {
        ended: (session, reason) => this.ended.push([session, reason]),
        taken: (place, session) => this.taken.push([place, session]),
        over: (shard) => this.shardsOver.push(shard),
        waiting: (waiting, more) => {
          this.waiting = waiting;
          this.crowdedOut += more;
        },
      },
    );
  }

  wind(ms: number): void {
    this.now += ms;
    this.sessions.expire();
  }

  get endedNames(): readonly string[] {
    return this.ended.map(([session]) => session);
  }
}

const at = (shard: number, connection: number): SessionPlace => ({ shard, connection });
const terms = (session: string, waitMs = 0, wallet: string | null = "w"): SessionTerms => {
  return { session, userId: "u", wallet, waitMs };
};

it("sessions - one without a wait ends with its connection", () => {
  const desk = new Desk();
  desk.sessions.open(at(0, 1), terms("a"));
  expect(desk.sessions.has("a")).toBe(true);
  desk.sessions.end(at(0, 1));
  expect(desk.sessions.has("a")).toBe(false);
  expect(desk.ended).toEqual([["a", "cancel on disconnect: the connection ended"]]);
  expect(desk.sessions.resume(at(1, 2), terms("b"), "a")).toBe("b");
});

it("sessions - one with a wait comes back within it, on any shard, and ends behind it", () => {
  const desk = new Desk();
  desk.sessions.open(at(0, 1), terms("a", 1000));
  desk.sessions.end(at(0, 1));
  desk.wind(999);
  expect(desk.sessions.resume(at(1, 2), terms("b", 2000), "a")).toBe("a");
  desk.wind(10_000);
  desk.sessions.end(at(1, 2));
  desk.wind(1999);
  expect(desk.ended).toEqual([]);
  desk.wind(1);
  expect(desk.ended).toEqual([
    ["a", "cancel on disconnect: the session did not come back within 2000 ms"],
  ]);
});

it("sessions - a wait is asked for anew: by a connection without one the session ends with it", () => {
  const desk = new Desk();
  desk.sessions.open(at(0, 1), terms("a", 1000));
  desk.sessions.end(at(0, 1));
  desk.sessions.resume(at(0, 2), terms("b"), "a");
  desk.sessions.end(at(0, 2));
  expect(desk.endedNames).toEqual(["a"]);
});

it("sessions - another connection takes it over, and the end of the first means nothing then", () => {
  const desk = new Desk();
  desk.sessions.open(at(0, 1), terms("a"));
  expect(desk.sessions.resume(at(1, 2), terms("b"), "a")).toBe("a");
  expect(desk.taken).toEqual([[at(0, 1), "a"]]);
  desk.sessions.end(at(0, 1));
  expect(desk.ended).toEqual([]);
  // A connection asks anew, of another exchange, say.
  expect(desk.sessions.resume(at(1, 2), terms("c"), "a")).toBe("a");
  expect(desk.taken).toHaveLength(1);
});

it("sessions - nobody else's is resumed", () => {
  const desk = new Desk();
  desk.sessions.open(at(0, 1), terms("a", 1000));
  const others: SessionTerms[] = [
    { ...terms("b"), userId: "v" },
    { ...terms("c"), wallet: "x" },
    { ...terms("d"), wallet: null },
  ];
  for (const [index, other] of others.entries())
    expect(desk.sessions.resume(at(1, 10 + index), other, "a")).toBe(other.session);
  expect([desk.taken, desk.sessions.has("a")]).toEqual([[], true]);
});

it("sessions - of a wallet so many wait: with one more the one that waits the longest ends", () => {
  const desk = new Desk();
  for (let index = 0; index < MAX_WAITING + 2; index++) {
    desk.sessions.open(at(0, index), terms(`a${index}`, 1000));
    desk.sessions.open(at(1, index), terms(`b${index}`, 1000, null));
    if (index === 0) desk.sessions.open(at(2, 0), terms("other", 1000, "other"));
  }
  desk.sessions.end(at(2, 0));
  for (let index = 0; index < MAX_WAITING + 2; index++) desk.sessions.end(at(0, index));
  expect(desk.endedNames).toEqual(["a0", "a1"]);
  expect(desk.ended[0]?.[1]).toContain(`more than ${MAX_WAITING} sessions`);
  expect([desk.waiting, desk.crowdedOut]).toEqual([MAX_WAITING + 1, 2]);
  // Of a user without a wallet by itself.
  desk.sessions.end(at(1, 0));
  expect(desk.ended).toHaveLength(2);
});

it("sessions - what has to be found again is stored, and goes when it is over", () => {
  const desk = new Desk();
  const stored = new Map<string, StoredSession>();
  const commit = () => {
    const changes = desk.sessions.changes();
    for (const session of changes.put) stored.set(session.session, session);
    for (const session of changes.removed) expect(stored.delete(session)).toBe(true);
    desk.sessions.committed(changes);
  };
  desk.sessions.open(at(0, 1), terms("free"));
  desk.sessions.open(at(0, 2), terms("bound"));
  desk.sessions.open(at(0, 3), terms("waits", 1000));
  commit();
  expect([...stored.keys()]).toEqual(["waits"]);
  desk.sessions.bind("bound");
  commit();
  expect(stored.get("bound")).toEqual({ ...terms("bound"), run: "run", shard: 0 });
  desk.sessions.resume(at(1, 4), terms("x", 5000), "waits");
  commit();
  expect(stored.get("waits")).toEqual({ ...terms("waits", 5000), run: "run", shard: 1 });
  // One that comes and goes between two commits is never there.
  desk.sessions.open(at(0, 5), terms("brief", 1000));
  for (const connection of [1, 2, 5]) desk.sessions.end(at(0, connection));
  desk.sessions.end(at(1, 4));
  desk.wind(1000);
  commit();
  expect([...stored.keys()]).toEqual(["waits"]);
  desk.wind(4000);
  commit();
  expect(stored.size).toBe(0);
});

it("sessions - after another run of the server waits begin, and those without one are over", () => {
  const desk = new Desk("second");
  desk.now = 500;
  desk.sessions.restore([
    { ...terms("waits", 1000), run: "first", shard: 7 },
    { ...terms("bound"), run: "first", shard: 0 },
  ]);
  expect(desk.ended).toEqual([["bound", "cancel on disconnect: the server was restarted"]]);
  desk.wind(999);
  expect(desk.endedNames).toEqual(["bound"]);
  expect(desk.sessions.resume(at(0, 1), terms("b", 1000), "waits")).toBe("waits");
  const { put, removed } = desk.sessions.changes();
  expect([put.map(({ run }) => run), removed]).toEqual([["second"], ["bound"]]);
});

const EDGE = edgeShardNumber("edge", "run", 0);
const OTHER_EDGE = edgeShardNumber("other", "run", 0);

it("sessions - connections of another node are there while it is not heard, for its lease", () => {
  const desk = new Desk();
  desk.sessions.open(at(EDGE, 1), terms("a"));
  desk.sessions.open(at(OTHER_EDGE, 1), terms("b"));
  desk.sessions.open(at(0, 1), terms("c"));
  for (const shard of [EDGE, OTHER_EDGE]) desk.sessions.awaitShard(shard);
  desk.wind(EDGE_LEASE_MS - 1);
  expect(desk.ended).toEqual([]);
  desk.sessions.attach(OTHER_EDGE, [{ ...terms("b"), connection: 1 }]);
  desk.wind(1);
  expect(desk.ended).toEqual([["a", "cancel on disconnect: the connection ended"]]);
  expect(desk.shardsOver).toEqual([EDGE]);
  desk.wind(10 * EDGE_LEASE_MS);
  expect([desk.endedNames, desk.shardsOver]).toEqual([["a"], [EDGE]]);
  // What is over once is not waited for by it.
  desk.sessions.awaitShard(EDGE);
  desk.sessions.awaitShard(EDGE);
  desk.wind(EDGE_LEASE_MS);
  expect(desk.shardsOver).toEqual([EDGE, EDGE]);
});

it("sessions - another run of the server knows connections of other nodes, which come back or end", () => {
  const desk = new Desk("second");
  desk.sessions.restore([
    { ...terms("back"), run: "first", shard: EDGE },
    { ...terms("lost"), run: "first", shard: EDGE },
    { ...terms("silent"), run: "first", shard: OTHER_EDGE },
    { ...terms("waits", 50_000), run: "first", shard: OTHER_EDGE },
    { ...terms("own"), run: "first", shard: 0 },
  ]);
  expect(desk.endedNames).toEqual(["own"]);
  expect(["back", "own"].map((one) => desk.sessions.outlives(one))).toEqual([true, false]);
  desk.wind(EDGE_LEASE_MS - 1);
  desk.sessions.attach(EDGE, [{ ...terms("back"), connection: 5 }]);
  expect(desk.endedNames).toEqual(["own", "lost"]);
  desk.wind(1);
  expect([desk.endedNames, desk.waiting]).toEqual([["own", "lost", "silent"], 1]);
  desk.wind(50_000);
  expect(desk.endedNames).toEqual(["own", "lost", "silent", "waits"]);
  expect(desk.sessions.has("back")).toBe(true);
});

it("sessions - of two nodes' connections the one that was given the session last has it", () => {
  const desk = new Desk();
  desk.sessions.open(at(EDGE, 50), terms("a", 1000));
  expect(desk.sessions.resume(at(OTHER_EDGE, 7), terms("b"), "a")).toBe("a");
  expect(desk.taken.splice(0)).toEqual([[at(EDGE, 50), "a"]]);
  // It has not heard of that, and says again what it has.
  desk.sessions.attach(EDGE, [{ ...terms("a"), connection: 50 }]);
  expect(desk.taken).toEqual([[at(EDGE, 50), "a"]]);
  desk.sessions.end(at(OTHER_EDGE, 7));
  expect(desk.endedNames).toEqual(["a"]);
});

it("sessions - after another producer their shards say which connections are still there", () => {
  const desk = new Desk();
  desk.sessions.restore([
    { ...terms("stays"), run: "run", shard: 0 },
    { ...terms("gone"), run: "run", shard: 0 },
    { ...terms("waits", 1000), run: "run", shard: 0 },
    { ...terms("other"), run: "run", shard: 1 },
  ]);
  desk.wind(100_000);
  expect(desk.ended).toEqual([]);
  desk.sessions.attach(0, [
    { ...terms("stays"), connection: 1 },
    { ...terms("unknown"), connection: 2 },
  ]);
  expect(desk.endedNames).toEqual(["gone"]);
  expect([desk.sessions.has("unknown"), desk.waiting]).toEqual([true, 1]);
  // Two connections of one session, of which the later has it.
  desk.sessions.attach(1, [{ ...terms("stays"), connection: 9 }]);
  expect(desk.taken).toEqual([[at(0, 1), "stays"]]);
  expect(desk.endedNames).toEqual(["gone", "other"]);
  desk.sessions.attach(0, [
    { ...terms("stays"), connection: 1 },
    { ...terms("unknown"), connection: 2 },
  ]);
  expect(desk.taken).toEqual([
    [at(0, 1), "stays"],
    [at(0, 1), "stays"],
  ]);
});

// --- Histories ------------------------------------------------------------------------------------

/** What anybody would write down of a session. */
interface Known extends SessionTerms {
  place: SessionPlace | undefined;
  endsAt: number;
}

const SHARDS = 3;

it.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "sessions - random histories are those of an obvious model, seed %i",
  (seed) => {
    const random = new Random(seed);
    let desk = new Desk("run", MAX_WAITING);
    let known: Known[] = [];
    const over = new Set<string>();
    const stored = new Map<string, StoredSession>();
    let names = 0;
    let connections = 0;
    const commit = () => {
      const changes = desk.sessions.changes();
      for (const session of changes.put) stored.set(session.session, session);
      for (const session of changes.removed) stored.delete(session);
      desk.sessions.committed(changes);
    };
    const newTerms = (): SessionTerms => ({
      session: `s${++names}`,
      userId: `u${random.below(2)}`,
      wallet: random.below(4) === 0 ? null : `w${random.below(2)}`,
      waitMs: random.below(3) * 1000,
    });
    const finish = (session: Known) => {
      known = known.filter((one) => one !== session);
      over.add(session.session);
    };
    const leave = (session: Known) => {
      session.place = undefined;
      if (session.waitMs === 0) return finish(session);
      session.endsAt = desk.now + session.waitMs;
      // Behind those that have waited before.
      known = [...known.filter((one) => one !== session), session];
      const owner = ({ wallet, userId }: Known) => wallet ?? `user ${userId}`;
      const waiting = known.filter(
        (one) => one.place === undefined && owner(one) === owner(session),
      );
      if (waiting.length > MAX_WAITING) finish(waiting[0] as Known);
    };
    const connected = () => known.filter(({ place }) => place !== undefined);
    const steps: (() => void)[] = [
      () => {
        const given = newTerms();
        const place = at(random.below(SHARDS), ++connections);
        desk.sessions.open(place, given);
        known.push({ ...given, place, endsAt: 0 });
      },
      () => {
        const asked = random.below(5) === 0 ? `s${random.below(names + 1)}` : pick(known)?.session;
        if (asked === undefined) return;
        const found = known.find(({ session }) => session === asked);
        const given = {
          ...newTerms(),
          ...(found && { userId: found.userId, wallet: found.wallet }),
        };
        const mismatched =
          random.below(4) === 0 ? { ...given, userId: `not ${given.userId}` } : given;
        const place = at(random.below(SHARDS), ++connections);
        const takenBefore = desk.taken.length;
        const got = desk.sessions.resume(place, mismatched, asked);
        if (found === undefined || mismatched !== given) {
          expect(got).toBe(mismatched.session);
          known.push({ ...mismatched, place, endsAt: 0 });
          return;
        }
        expect(got).toBe(asked);
        expect(desk.taken.slice(takenBefore)).toEqual(found.place ? [[found.place, asked]] : []);
        Object.assign(found, { place, waitMs: given.waitMs });
      },
      () => {
        const session = pick(connected());
        if (session === undefined) return;
        desk.sessions.end(session.place as SessionPlace);
        leave(session);
      },
      () => desk.sessions.end(at(random.below(SHARDS), 1e9)),
      () => {
        desk.now += random.below(1500);
        desk.sessions.expire();
        for (const session of [...known])
          if (session.place === undefined && session.endsAt <= desk.now) finish(session);
      },
      () => {
        const session = pick(connected());
        if (session !== undefined) desk.sessions.bind(session.session);
      },
      commit,
      // A shard dies, with all of its connections.
      () => {
        if (random.below(4) > 0) return;
        const shard = random.below(SHARDS);
        // But for one their ends are told before: in which order the rest end says nobody.
        const [last, ...others] = connected().filter(({ place }) => place?.shard === shard);
        for (const session of others) {
          desk.sessions.end(session.place as SessionPlace);
          leave(session);
        }
        desk.sessions.attach(shard, []);
        if (last !== undefined) leave(last);
      },
      // The producer dies; all that is connected is named by its shard, and what waits waits anew.
      () => {
        if (random.below(6) > 0) return;
        commit();
        const before = desk;
        desk = new Desk();
        desk.now = before.now;
        desk.sessions.restore([...stored.values()]);
        for (let shard = 0; shard < SHARDS; shard++) {
          const claims: SessionClaim[] = connected().flatMap(({ place, endsAt: _, ...claim }) =>
            place?.shard === shard ? [{ ...claim, connection: place.connection }] : [],
          );
          desk.sessions.attach(shard, claims);
        }
        for (const session of known) session.endsAt = desk.now + session.waitMs;
        const order = [...stored.values()].sort((a, b) => a.shard - b.shard);
        const away = known.filter(({ place }) => place === undefined);
        const indexOf = ({ session }: Known) => order.findIndex((one) => one.session === session);
        known = [...connected(), ...away.sort((a, b) => indexOf(a) - indexOf(b))];
      },
    ];
    function pick<T>(from: readonly T[]): T | undefined {
      return from[random.below(Math.max(1, from.length))];
    }
    for (let step = 0; step < 1500; step++) {
      (steps[random.below(steps.length)] as () => void)();
      const wrong = [
        ...known.filter(({ session }) => !desk.sessions.has(session)),
        ...[...over].filter((session) => desk.sessions.has(session)),
      ];
      if (wrong.length > 0) expect(wrong, `step ${step}`).toEqual([]);
      expect(desk.waiting).toBe(known.filter(({ place }) => place === undefined).length);
    }
    expect(over.size).toBeGreaterThan(50);
  },
);
