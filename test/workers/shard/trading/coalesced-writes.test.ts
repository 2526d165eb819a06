import { expect, it } from "vitest";
import type { ServerMessage } from "../../../../src/contract/messages.js";
import type { Connection } from "../../../../src/workers/shard/connections/connection.js";
import type { FrameBatch } from "../../../../src/workers/shard/connections/frame-batch.js";
import { Outbox } from "../../../../src/workers/shard/connections/outbox.js";
import { CoalescedWrites } from "../../../../src/workers/shard/trading/coalesced-writes.js";

const notice = (message: string): ServerMessage => ({
  type: "Notification",
  data: { level: "info", message },
});

/** A connection that keeps what is delivered to it. */
function connectionOf(encoding: number) {
  const deliveries: (readonly FrameBatch[])[] = [];
  const deliver = (batches: readonly FrameBatch[]) => deliveries.push(batches);
  return { connection: { encoding, deliver } as unknown as Connection, deliveries };
}

it("coalesced-writes - a connection gets all that is its own at once, and in order", () => {
  const outbox = new Outbox();
  const writes = new CoalescedWrites(outbox);
  const [one, two, other] = [0, 0, 1].map(connectionOf) as [
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
