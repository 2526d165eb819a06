import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type GrantedSession, isSessionName } from "../../../../src/shared/session.js";
import type { ExchangeRequest } from "../../../../src/workers/messages.js";
import type { Connection } from "../../../../src/workers/shard/connections/connection.js";
import { ShardSessions } from "../../../../src/workers/shard/trading/shard-sessions.js";

const TIMEOUT_MS = 1000;
const NAMED = "n".repeat(24);

let sent: ExchangeRequest[];
let granted: GrantedSession[];
let sessions: ShardSessions;

const asker = (number: number, waitMs = 0) => ({ number, userId: "u", wallet: "w", waitMs });
const resume = (number: number, name = NAMED) =>
  sessions.resume(asker(number), name, (one) => granted.push(one));
/** A connection that only notes with which code it is closed. */
const connection = (number: number) => {
  const codes: number[] = [];
  const close = ({ code }: { readonly code: number }): void => void codes.push(code);
  sessions.serve({ number, close } as unknown as Connection);
  return codes;
};

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  granted = [];
  sessions = new ShardSessions((request) => sent.push(request), TIMEOUT_MS);
});
afterEach(() => vi.useRealTimers());

describe("shard-sessions", () => {
  it("shard-sessions - new ones are told, need no answer and never have the same name", () => {
    const names = new Set<string>();
    for (let number = 0; number < 100; number++) {
      const { session, resumed } = sessions.open(asker(number, 5000));
      expect([isSessionName(session), resumed]).toEqual([true, false]);
      names.add(session);
    }
    expect(names.size).toBe(100);
    expect(sent.length).toBe(100);
    expect(sent[7]).toEqual({ type: "session", ...sessions.claims[7] });
    sessions.end(7);
    sessions.end(7);
    expect(sent.slice(100)).toEqual([{ type: "ended", connection: 7 }]);
    expect(sessions.claims.length).toBe(99);
  });

  it("shard-sessions - a named one is what the exchange answers", () => {
    resume(1);
    resume(2);
    expect([granted, sessions.claims]).toEqual([[], []]);
    expect(sent).toMatchObject([{ resume: NAMED }, { resume: NAMED }]);
    const own = (sent[1] as { session: string }).session;
    sessions.granted(1, NAMED);
    sessions.granted(2, own);
    expect(granted).toEqual([
      { session: NAMED, resumed: true },
      { session: own, resumed: false },
    ]);
    expect(sessions.claims.map(({ session }) => session)).toEqual([NAMED, own]);
    vi.advanceTimersByTime(10 * TIMEOUT_MS);
    expect(granted.length).toBe(2);
  });

  it("shard-sessions - another exchange is asked again; without an answer in time there is a new one", () => {
    resume(1);
    sent.length = 0;
    sessions.askAgain();
    expect(sent).toMatchObject([{ type: "session", connection: 1, resume: NAMED }]);
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(granted).toMatchObject([{ resumed: false }]);
    const { session } = granted[0] as GrantedSession;
    expect(sent[1]).toMatchObject({ type: "session", connection: 1, session });
    // The answer comes all the same, and that another connection has taken the named one.
    const codes = connection(1);
    sessions.granted(1, NAMED);
    sessions.taken(1, NAMED);
    expect([granted.length, codes]).toEqual([1, []]);
    expect(sessions.claims.map((claim) => claim.session)).toEqual([session]);
  });

  it("shard-sessions - one that ends before its answer gets none, and the exchange hears of its end", () => {
    resume(1);
    sessions.end(1);
    sessions.granted(1, NAMED);
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect([granted, sessions.claims]).toEqual([[], []]);
    expect(sent.at(-1)).toEqual({ type: "ended", connection: 1 });
  });

  it("shard-sessions - who loses its session is closed with 4003, and its end is no news", () => {
    const { session } = sessions.open(asker(1));
    const codes = connection(1);
    sessions.taken(1, session);
    expect([codes, sessions.claims]).toEqual([[4003], []]);
    sent.length = 0;
    sessions.end(1);
    expect(sent).toEqual([]);
  });

  it("shard-sessions - what can be no name of a session is none, at once", () => {
    for (const name of ["", "short", "a".repeat(65), `${NAMED} `]) resume(1, name);
    expect(granted.map(({ resumed }) => resumed)).toEqual([false, false, false, false]);
    expect(sent.every((request) => !("resume" in request))).toBe(true);
  });
});
