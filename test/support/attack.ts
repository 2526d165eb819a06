import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { HAS_PROC, residentBytes } from "./process-figures.js";
import type { ServerProcess } from "./server-process.js";

/** `npm run test:attack` attacks at full strength; `npm test` runs the same attacks in a short form. */
export const FULL_STRENGTH = process.env["ATTACK"] === "full";

/** The value for an attack at full strength, or the one for its short form. */
export function strength(full: number, short: number): number {
  return FULL_STRENGTH ? full : short;
}

const CLIENT = fileURLToPath(new URL("./well-behaved-client.mjs", import.meta.url));
const MEMORY_SAMPLE_MS = 50;
/** What nobody may make others feel. */
const P99_MS_MAX = 100;
const MEMORY_RISE_MB_MAX = 150;

/** What a well-behaved client and the machine's operator saw while an attack ran. */
export interface Witness {
  readonly pings: number;
  readonly pongs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Its close code, or null where it was not cut. */
  readonly closeCode: number | null;
  /** Most resident memory of the server during the attack over that before it. */
  readonly memoryRiseMb: number;
}

/** Runs an attack on a server with a well-behaved client beside it. */
export async function witness(
  server: ServerProcess,
  attack: () => Promise<unknown>,
): Promise<Witness> {
  const child = spawn(process.execPath, [CLIENT, `${server.port}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const exited = once(child, "exit");
  await once(lines, "line");
  const memory = watchMemory(server.pid);
  try {
    await attack();
  } finally {
    memory.stop();
    child.stdin.write("stop\n");
  }
  const [line] = (await once(lines, "line")) as [string];
  await exited;
  const seen: Witness = { ...JSON.parse(line), memoryRiseMb: memory.riseMb() };
  if (FULL_STRENGTH) {
    process.stdout.write(`${expect.getState().currentTestName}: ${JSON.stringify(seen)}\n`);
  }
  return seen;
}

/** The measure of every attack: the client beside it is served, promptly, and memory stays in bounds. */
export function expectUnharmed(seen: Witness): void {
  const shown = JSON.stringify(seen);
  expect(seen.closeCode, shown).toBeNull();
  expect(seen.pongs, shown).toBe(seen.pings);
  expect(seen.p99Ms, shown).toBeLessThan(P99_MS_MAX);
  expect(seen.memoryRiseMb, shown).toBeLessThan(MEMORY_RISE_MB_MAX);
}

/** Resident memory is there on Linux alone; elsewhere no rise is seen. */
function watchMemory(pid: number): { readonly stop: () => void; readonly riseMb: () => number } {
  if (!HAS_PROC) return { stop: () => {}, riseMb: () => 0 };
  const before = residentBytes(pid);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(pid));
  }, MEMORY_SAMPLE_MS);
  return { stop: () => clearInterval(timer), riseMb: () => (most - before) / 1e6 };
}
