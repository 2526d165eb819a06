// Preloaded into a server's process (--import): lets a test have one of its threads get stuck.
//
// A shard gets stuck at a JSON text that contains "get stuck: KIND"; the producer when there is a file
// of the name in STUCK_PRODUCER, whose content is the kind. A native call lasts while there is the
// file STUCK_WHILE, a minute at most.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { isMainThread, workerData } from "node:worker_threads";

const WAIT_WHILE = 'n=0; while [ -e "$1" ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n+1)); done';

const KINDS = {
  loop: () => {
    for (;;);
  },
  allocation: () => {
    const all = [];
    for (;;) all.push(new Array(100).fill(0.5));
  },
  wait: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  // Nothing ends a native call but itself.
  native: () => execFileSync("sh", ["-c", WAIT_WHILE, "sh", process.env["STUCK_WHILE"]]),
};

const { parse } = JSON;
if (!isMainThread) {
  JSON.parse = (text, ...rest) => {
    const kind = /get stuck: (\w+)/.exec(text)?.[1];
    if (kind !== undefined) KINDS[kind]();
    return parse(text, ...rest);
  };
}

const file = process.env["STUCK_PRODUCER"];
if (file !== undefined && workerData?.feed !== undefined) {
  setInterval(() => {
    if (!existsSync(file)) return;
    const kind = readFileSync(file, "utf8");
    // It is being written.
    if (kind === "") return;
    rmSync(file);
    KINDS[kind]();
  }, 20);
}
