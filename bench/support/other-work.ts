import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { seconds } from "./wait.js";

/** Linux gives processor times in these, whatever the kernel's own tick (USER_HZ). */
const TICKS_PER_SECOND = 100;
const SAMPLE_SECONDS = 1;
/** Cores in use by others, above which figures are not to be trusted. */
const OTHER_CORES_MAX = 0.1;

/** What other processes took of the machine, in cores, and whether a run beside that is valid. */
export interface OtherWork {
  readonly before: number;
  readonly during: number;
  readonly after: number;
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly valid: boolean;
}

/**
 * Processor seconds that all processes have used, less those of this one and its ended children.
 * Interrupts are left out: those of loopback are the bench's own and belong to no process.
 */
function othersSeconds(): number {
  const fields = readFileSync("/proc/stat", "latin1").split("\n", 1)[0]?.trim().split(/\s+/) ?? [];
  const [user, nice, system] = fields.slice(1, 4).map(Number) as [number, number, number];
  const steal = Number(fields[8]);
  const stat = readFileSync("/proc/self/stat", "latin1");
  // Fields 14 to 17, counted from after the name: own time and that of children that have ended.
  const own = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const used = own.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
  return (user + nice + system + steal - used) / TICKS_PER_SECOND;
}

/** Cores that others use while this process waits; none of its children may run. */
async function sampleOthers(): Promise<number> {
  const [from, at] = [othersSeconds(), performance.now()];
  await seconds(SAMPLE_SECONDS);
  return ((othersSeconds() - from) * 1000) / (performance.now() - at);
}

/** Runs `measure`, and watches before, meanwhile and after what else the machine does. */
export async function besideOtherWork<T>(measure: () => Promise<T>): Promise<[T, OtherWork]> {
  const loadBefore = loadavg()[0] as number;
  const before = await sampleOthers();
  const [from, at] = [othersSeconds(), performance.now()];
  const result = await measure();
  const during = ((othersSeconds() - from) * 1000) / (performance.now() - at);
  const after = await sampleOthers();
  const valid = Math.max(before, during, after) <= OTHER_CORES_MAX;
  return [result, { before, during, after, loadBefore, loadAfter: loadavg()[0] as number, valid }];
}

/** What was found, in a sentence, and what it means for the figures. */
export function otherWorkText(work: OtherWork): string {
  const cores = [work.before, work.during, work.after].map((each) => each.toFixed(2)).join(", ");
  const load = `load ${work.loadBefore.toFixed(2)} before, ${work.loadAfter.toFixed(2)} after`;
  const verdict = work.valid
    ? "valid: the machine was quiet"
    : `NOT VALID: others used more than ${OTHER_CORES_MAX} cores`;
  return `cores used by other processes before, during, after: ${cores}; ${load}; ${verdict}`;
}
