import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageIterator } from "../../src/client/message-iterator.js";
import type { ServerMessage } from "../../src/contract/messages.js";

const message = (seq: number): ServerMessage => ({
  type: "PriceUpdate",
  data: { market_id: 7, price: 1, best_bid: 1, best_ask: 2, seq, ts: 1 },
});

function iterator(size: number): { it: MessageIterator; overflows: number[]; returned(): number } {
  const overflows: number[] = [];
  let returns = 0;
  const it = new MessageIterator(
    size,
    ({ dropped }) => overflows.push(dropped),
    () => returns++,
  );
  return { it, overflows, returned: () => returns };
}

const seqOf = (result: IteratorResult<ServerMessage, undefined>): number | undefined =>
  result.value?.type === "PriceUpdate" ? result.value.data.seq : undefined;

describe("message-iterator", () => {
  it("message-iterator - gives messages in order, before and after they are asked for", async () => {
    const { it: messages } = iterator(10);
    messages.push(message(1));
    messages.push(message(2));
    expect(seqOf(await messages.next())).toBe(1);
    const ahead = [messages.next(), messages.next(), messages.next()];
    messages.push(message(3));
    messages.push(message(4));
    expect((await Promise.all(ahead)).map(seqOf)).toEqual([2, 3, 4]);
  });

  it("message-iterator - drops the oldest beyond its size, counts them, and tells once", async () => {
    const { it: messages, overflows } = iterator(3);
    for (let seq = 1; seq <= 8; seq++) messages.push(message(seq));
    expect(messages.dropped).toBe(5);
    expect(overflows).toEqual([1]);
    const read = [await messages.next(), await messages.next(), await messages.next()];
    expect(read.map(seqOf)).toEqual([6, 7, 8]);
    for (let seq = 9; seq <= 12; seq++) messages.push(message(seq));
    expect(overflows).toEqual([1, 6]);
    expect(messages.dropped).toBe(6);
  });

  it("message-iterator - delivers what waits before it ends, or fails once", async () => {
    const { it: done } = iterator(3);
    done.push(message(1));
    done.finish(undefined);
    expect(seqOf(await done.next())).toBe(1);
    expect(await done.next()).toEqual({ done: true, value: undefined });

    const { it: failed } = iterator(3);
    const error = new Error("closed");
    const waiting = [failed.next(), failed.next()];
    const outcomes = Promise.allSettled(waiting);
    failed.finish(error);
    expect(await outcomes).toMatchObject([
      { status: "rejected", reason: error },
      { status: "fulfilled", value: { done: true } },
    ]);
  });

  it("message-iterator - leaving the loop ends it", async () => {
    const { it: messages, returned } = iterator(3);
    for (let seq = 1; seq <= 3; seq++) messages.push(message(seq));
    for await (const one of messages) {
      expect(one).toEqual(message(1));
      break;
    }
    expect(returned()).toBe(1);
    expect(await messages.next()).toEqual({ done: true, value: undefined });
  });

  it("message-iterator - in any interleaving it gives the newest, in order, and counts the rest", async () => {
    const steps = fc.array(fc.boolean(), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (pushes, size) => {
        const { it: messages } = iterator(size);
        const model: number[] = [];
        const expected: (number | undefined)[] = [];
        const got: Promise<IteratorResult<ServerMessage, undefined>>[] = [];
        let seq = 0;
        let dropped = 0;
        for (const push of pushes) {
          if (push) {
            messages.push(message(++seq));
            model.push(seq);
            if (model.length > size) {
              model.shift();
              dropped++;
            }
          } else if (model.length > 0) {
            got.push(messages.next());
            expected.push(model.shift());
          }
        }
        messages.finish(undefined);
        expect((await Promise.all(got)).map(seqOf)).toEqual(expected);
        expect(messages.dropped).toBe(dropped);
        for (const left of model) expect(seqOf(await messages.next())).toBe(left);
        expect((await messages.next()).done).toBe(true);
      }),
    );
  });
});
