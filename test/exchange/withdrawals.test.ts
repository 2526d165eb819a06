import { describe, expect, it } from "vitest";
import type { Command, EngineEvent } from "../../src/engine/commands.js";
import type { Order } from "../../src/engine/order.js";
import { namelessOrders, Withdrawals } from "../../src/exchange/withdrawals.js";

/** Withdrawals of a core that knows some sessions, and what they have had executed. */
function withdrawing(sessions: readonly string[], nameless: readonly Order[] = [], perSession = 1) {
  const known = new Set(sessions);
  const withdrawals = new Withdrawals({ hasSession: (session) => known.has(session) }, nameless);
  const commands: Command[] = [];
  const run = (): Command[] => {
    withdrawals.run((command) => {
      commands.push(command);
      return Array.from({ length: perSession }, () => ({}) as EngineEvent);
    });
    return commands.splice(0);
  };
  return { known, withdrawals, run };
}

const order = (orderId: number, wallet: string): Order => ({ orderId, wallet }) as Order;
const ending = (session: string) => ({ type: "end-session", session, reason: "gone" });

describe("withdrawals", () => {
  it("withdrawals - a session is ended once, where it has orders", () => {
    const { withdrawals, run } = withdrawing(["a"]);
    withdrawals.end("a", "gone");
    withdrawals.end("b", "gone");
    expect(withdrawals.isDue).toBe(true);
    expect(run()).toEqual([ending("a")]);
    expect(withdrawals.isDue).toBe(false);
    withdrawals.committed();
    withdrawals.undone();
    expect(run()).toEqual([]);
  });

  it("withdrawals - what an undone batch withdrew is due again, but for sessions that are no more", async () => {
    const orders = [order(1, "w"), order(2, "\u0000")];
    const { known, withdrawals, run } = withdrawing(["a", "b"], await namelessOrders(orders));
    withdrawals.end("a", "gone");
    withdrawals.end("b", "gone");
    const first = run();
    expect(first).toEqual([
      expect.objectContaining({ type: "cancel", wallet: "\u0000", order: { orderId: 2 } }),
      ending("a"),
      ending("b"),
    ]);
    known.delete("b");
    withdrawals.undone();
    expect(run()).toEqual(first.slice(0, 2));
  });

  it("withdrawals - a batch ends no more sessions when it has cancelled some thousands of orders", () => {
    const { withdrawals, run } = withdrawing(["a", "b", "c"], [], 2048);
    for (const session of ["a", "b", "c"]) withdrawals.end(session, "gone");
    expect(run()).toEqual([ending("a"), ending("b")]);
    expect(run()).toEqual([]);
    expect(withdrawals.isDue).toBe(true);
    withdrawals.committed();
    expect(run()).toEqual([ending("c")]);
  });
});
