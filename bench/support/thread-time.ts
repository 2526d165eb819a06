import { readdirSync, readFileSync } from "node:fs";

/** Time that each thread of a process but its first has had a processor, in ms, by thread id; Linux. */
export function threadTimesMs(pid: number): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (thread !== String(pid)) times.set(thread, threadTimeMs(pid, thread));
  }
  return times;
}

/** The time that the first thread of a process has had a processor, in ms; Linux. */
export function firstThreadTimeMs(pid: number): number {
  return threadTimeMs(pid, String(pid));
}

function threadTimeMs(pid: number, thread: string): number {
  const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
  return Number(nanoseconds) / 1e6;
}

/** The most that one thread has had since `before`. */
export function busiestSinceMs(pid: number, before: ReadonlyMap<string, number>): number {
  const spent = [...threadTimesMs(pid)].map(([thread, now]) => now - (before.get(thread) ?? 0));
  return Math.max(0, ...spent);
}
