import { describe, expect, it } from "vitest";
import {
  type FlowEvent,
  type FlowState,
  isBlocked,
  isLoading,
  nextFlowState,
} from "../../../../src/workers/shard/connections/connection-state.js";

const STATES: readonly FlowState[] = ["current", "due", "blocked", "loading", "stalled"];

/** What an event makes of the two facts that a state stands for; undefined where it cannot happen. */
function expected(state: FlowState, event: FlowEvent): readonly [boolean, boolean] | undefined {
  const facts = [isBlocked(state), isLoading(state)] as const;
  const [blocked, loading] = facts;
  switch (event) {
    case "full":
      return blocked ? undefined : [true, loading];
    case "drained":
      return blocked ? [false, loading] : undefined;
    case "load":
      return loading ? undefined : [blocked, true];
    case "loaded":
      return loading ? [blocked, false] : undefined;
    case "due":
    case "caughtUp":
      return facts;
  }
}

describe("connection state", () => {
  const cases = STATES.flatMap((state) =>
    (["full", "drained", "load", "loaded", "due", "caughtUp"] as const).map(
      (event) => [event, state] as const,
    ),
  );

  it.each(cases)(
    "connection state - %s while %s changes its own fact, or cannot happen",
    (event, state) => {
      const facts = expected(state, event);
      if (facts === undefined) {
        expect(() => nextFlowState(state, event)).toThrow(`connection: ${event} while ${state}`);
        return;
      }
      const next = nextFlowState(state, event);
      expect([isBlocked(next), isLoading(next)]).toEqual(facts);
    },
  );

  it("connection state - what is due is told only where it may be written, and only then caught up", () => {
    expect(STATES.map((state) => nextFlowState(state, "due"))).toEqual([
      "due",
      "due",
      "blocked",
      "loading",
      "stalled",
    ]);
    expect(STATES.map((state) => nextFlowState(state, "caughtUp"))).toEqual([
      "current",
      "current",
      "blocked",
      "loading",
      "stalled",
    ]);
    // Whether something is due is looked at when nothing else holds it up any more.
    expect(nextFlowState("blocked", "drained")).toBe("due");
    expect(nextFlowState("loading", "loaded")).toBe("due");
  });
});
