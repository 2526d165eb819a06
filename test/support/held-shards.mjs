// Preloaded into a server's process (--import): its shards never come to run, as if their modules
// could not be read. Each leaves a file in the directory HELD_SHARDS.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMainThread, threadId, workerData } from "node:worker_threads";

const directory = process.env["HELD_SHARDS"];
if (directory !== undefined && !isMainThread && workerData?.feed === undefined) {
  writeFileSync(join(directory, `held-${threadId}`), "");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
