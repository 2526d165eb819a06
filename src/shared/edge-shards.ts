import { createHash } from "node:crypto";

/** How long an edge may say nothing before the sessions of its connections end, in ms. */
export const EDGE_LEASE_MS = 10_000;

/** Shards of edges have numbers from here on; a server has fewer of its own. */
const EDGE_SHARDS_FROM = 2 ** 32;
/** Numbers have 52 bits, taken of a digest. */
const DIGEST_BYTES = 6;
const NUMBERS = 2 ** 52;

/**
 * The number by which an exchange knows a shard of another node. It follows from whose it is, so that it is the same
 * whoever asks, over restarts of all threads and of the exchange's process.
 * @param run tells the run of the node's process from all others
 */
export function edgeShardNumber(node: string, run: string, shard: number): number {
  const digest = createHash("sha256")
    .update(JSON.stringify([node, run, shard]))
    .digest();
  const number = digest.readUIntBE(0, DIGEST_BYTES) * 2 ** 4 + ((digest[DIGEST_BYTES] ?? 0) >> 4);
  return EDGE_SHARDS_FROM + (number % (NUMBERS - EDGE_SHARDS_FROM));
}

/** Whether a shard's number is that of another node's. */
export function isEdgeShard(shard: number): boolean {
  return shard >= EDGE_SHARDS_FROM;
}
