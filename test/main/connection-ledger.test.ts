import type { Socket } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ConnectionLedger } from "../../src/main/connection-ledger.js";

const SHARDS = 3;
const ADDRESSES = ["10.0.0.1", "10.0.0.2", "::1"];
const socket = {} as Socket;

interface Known {
  readonly number: number;
  readonly address: string;
  readonly refused: boolean;
  shard: number;
}

const stepArbitrary = fc.oneof(
  fc.record({
    step: fc.constant("open" as const),
    address: fc.constantFrom(...ADDRESSES),
    shard: fc.nat(SHARDS - 1),
    refused: fc.boolean(),
  }),
  fc.record({ step: fc.constant("close" as const), which: fc.nat() }),
  fc.record({
    step: fc.constant("assign" as const),
    which: fc.nat(),
    address: fc.constantFrom(...ADDRESSES),
    refused: fc.boolean(),
  }),
  fc.record({ step: fc.constant("move" as const), which: fc.nat(), shard: fc.nat(SHARDS - 1) }),
);

test("connection ledger - its counts are those of a plain list, whatever opens, moves, is assigned and closes", () => {
  fc.assert(
    fc.property(fc.array(stepArbitrary, { maxLength: 200 }), (steps) => {
      const ledger = new ConnectionLedger(SHARDS);
      let list: Known[] = [];
      for (const step of steps) {
        if (step.step === "open") {
          const { address, shard, refused } = step;
          const refusedBy = refused ? "total" : undefined;
          const entry = ledger.open({ address, proxied: false, refusedBy }, shard, socket);
          expect(list.some(({ number }) => number === entry.number)).toBe(false);
          list.push({ number: entry.number, address, shard, refused });
          continue;
        }
        const known = list[step.which % Math.max(1, list.length)];
        if (known === undefined) continue;
        if (step.step === "close") {
          ledger.close(known.number);
          ledger.close(known.number);
          list = list.filter((one) => one !== known);
        } else if (step.step === "assign") {
          const entry = ledger.get(known.number);
          if (entry !== undefined)
            ledger.assign(entry, step.address, step.refused ? "address" : undefined);
          // Once refused it stays so, whoever it is.
          if (!known.refused)
            Object.assign(known, { address: step.address, refused: step.refused });
        } else {
          const entry = ledger.get(known.number);
          if (entry !== undefined) ledger.move(entry, step.shard);
          known.shard = step.shard;
        }
      }
      const taken = list.filter(({ refused }) => !refused);
      expect(ledger.size).toBe(list.length);
      expect(ledger.connections).toBe(taken.length);
      expect(ledger.refused).toBe(list.length - taken.length);
      for (const address of ADDRESSES) {
        expect(ledger.from(address)).toBe(taken.filter((one) => one.address === address).length);
      }
      for (let shard = 0; shard < SHARDS; shard++) {
        const here = list.filter((one) => one.shard === shard).map(({ number }) => number);
        expect(ledger.on(shard)).toBe(here.length);
        expect(ledger.ofShard(shard).map(({ number }) => number)).toEqual(here);
      }
    }),
  );
});
