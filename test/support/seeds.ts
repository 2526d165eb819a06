import { crc32 } from "node:zlib";

/**
 * A seed for what a test draws at random: another one each time, or, where the environment has TEST_SEED, the one
 * that belongs to that and to the name.
 */
export function drawSeed(name: string): number {
  const { TEST_SEED } = process.env;
  if (TEST_SEED === undefined) return Math.floor(Math.random() * 2 ** 32);
  return crc32(`${TEST_SEED} ${name}`);
}
