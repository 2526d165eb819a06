import { expect, it } from "vitest";
import type { ServerMessage } from "../../../../src/contract/messages.js";
import type {
  Connection,
  PrivateBatch,
} from "../../../../src/workers/shard/connections/connection.js";
import { Outbox } from "../../../../src/workers/shard/connections/outbox.js";
import {
  CoalescedWrites,
  type Takers,
} from "../../../../src/workers/shard/trading/coalesced-writes.js";

const notice = (message: string): ServerMessage => ({
  type: "Notification",
  data: { level: "info", message },
});

/** A connection that keeps what is delivered to it. */
function connectionOf(encoding: number, blocked = false) {
  const deliveries: (readonly PrivateBatch[])[] = [];
  const deliver = (batches: readonly PrivateBatch[]) => deliveries.push(batches);
  const state = { encoding, deliver, blocked, hasQueue: false, held: false };
  return { connection: state as unknown as Connection, deliveries, state };
}

it("coalesced-writes - a connection gets all that is its own at once, and in order", () => {
  const outbox = new Outbox();
  const writes = new CoalescedWrites(outbox);
  const [one, two, other] = [0, 0, 1].map((encoding) => connectionOf(encoding)) as [
    ReturnType<typeof connectionOf>,
    ReturnType<typeof connectionOf>,
    ReturnType<typeof connectionOf>,
  ];
  const all = [one.connection, two.connection, other.connection];
  writes.add(one.connection, notice("first"));
  writes.push(all, notice("to all"));
  writes.push(all, notice("but one"), one.connection);
  expect([one, two, other].map(({ deliveries }) => deliveries.length)).toEqual([0, 0, 0]);
  writes.send();
  expect(one.deliveries).toEqual([
    [outbox.encode(0, notice("first")), outbox.encode(0, notice("to all"))],
  ]);
  expect(two.deliveries).toEqual([
    [outbox.encode(0, notice("to all")), outbox.encode(0, notice("but one"))],
  ]);
  expect(other.deliveries).toEqual([
    [outbox.encode(1, notice("to all")), outbox.encode(1, notice("but one"))],
  ]);
  // What goes to several is encoded once.
  expect(one.deliveries[0]?.[1]).toBe(two.deliveries[0]?.[0]);
});

it("coalesced-writes - of a whole in pieces what is too much at once is no sign of slowness, but where it was there before", () => {
  const [quick, slow, late] = [connectionOf(0), connectionOf(0, true), connectionOf(0)];
  const takers: Takers = new Map();
  const tell = (...told: readonly ReturnType<typeof connectionOf>[]): void => {
    const writes = new CoalescedWrites(new Outbox(), takers);
    writes.push(
      told.map(({ connection }) => connection),
      notice("news"),
    );
    writes.send();
    // More than their sockets take.
    for (const { state } of told) state.blocked = true;
  };
  tell(quick, slow);
  tell(quick, slow, late);
  tell(quick, slow, late);
  const asked = (one: ReturnType<typeof connectionOf>) =>
    one.deliveries.map(([batch]) => batch?.asked === true);
  expect(asked(quick)).toEqual([false, true, true]);
  expect(asked(slow)).toEqual([false, false, false]);
  expect(asked(late)).toEqual([false, true]);
});
