import { z } from "zod";

/** Many more than a node can have. */
const CLOSE_MAX = 10_000_000;
const PER_SECOND_MIN = 0.01;
const PER_SECOND_MAX = 100_000;
/** All of it may take a day. */
const SECONDS_MAX = 86_400;

/** What an operator asks for: so many connections are closed, so many a second; 0 ends what goes on. */
export const rebalancingSchema = z
  .strictObject({
    close: z.int().min(0).max(CLOSE_MAX),
    per_second: z.number().min(PER_SECOND_MIN).max(PER_SECOND_MAX),
  })
  .refine(({ close, per_second }) => close <= per_second * SECONDS_MAX, {
    error: `close at per_second would take more than ${SECONDS_MAX} s`,
  });
export type Rebalancing = z.infer<typeof rebalancingSchema>;

/** What is done of it. */
export interface RebalancingOutcome {
  /** Connections that are being closed: what was asked for, and no more than there are. */
  readonly closing: number;
  readonly per_second: number;
  /** When the last of them is, in microseconds since the Unix epoch. */
  readonly until_ts: number;
}

/**
 * How many of `close` connections are each shard's, in proportion to those that it has; of rests the largest
 * come first. The sum is `close`, or all there are.
 */
export function sharesOf(close: number, connections: readonly number[]): readonly number[] {
  const all = connections.reduce((sum, one) => sum + one, 0);
  const most = Math.min(close, all);
  const exact = connections.map((one) => (all === 0 ? 0 : (one * most) / all));
  const shares = exact.map(Math.floor);
  const restOf = (shard: number): number => (exact[shard] as number) % 1;
  const byRest = [...shares.keys()].sort((a, b) => restOf(b) - restOf(a));
  const left = most - shares.reduce((sum, one) => sum + one, 0);
  for (const shard of byRest.slice(0, left)) shares[shard] = (shares[shard] as number) + 1;
  return shares;
}
