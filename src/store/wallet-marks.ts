import { z } from "zod";
import { form } from "./record-form.js";
import { timestamp } from "./records.js";

const KINDS = ["orders", "trades"] as const;
/** The only record of its table. */
export const INDEXED_KEY = "indexed";

/** What is pruned from the old end: finished orders by their end, and trades. */
export type PrunedKind = (typeof KINDS)[number];

/** Up to which `ts`, itself included, something of a kind has been pruned, and so may be missing. */
export interface Pruned {
  readonly kind: PrunedKind;
  readonly to: number;
}

export const prunedForm = form(
  z.tuple([z.enum(KINDS), timestamp]),
  ({ kind }: Pruned) => kind,
  ({ kind, to }) => [kind, to],
  ([kind, to]) => ({ kind, to }),
);

/** Up to where the indexes by wallet have been written: of what is behind it they may lack any. */
export interface Indexed {
  readonly orderId: number;
  readonly tradeId: number;
  /** Of orders that finished before it, itself not included, they have all. */
  readonly finishedTs: number;
}

export const indexedForm = form(
  z.tuple([timestamp, timestamp, timestamp]),
  (_: Indexed) => INDEXED_KEY,
  ({ orderId, tradeId, finishedTs }) => [orderId, tradeId, finishedTs],
  ([orderId, tradeId, finishedTs]) => ({ orderId, tradeId, finishedTs }),
);
