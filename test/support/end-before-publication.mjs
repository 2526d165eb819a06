// Preloaded into a server's process (--import): while there is a file of the name in
// END_BEFORE_PUBLICATION, its producer ends in place of its next publication, once.
import { existsSync, rmSync } from "node:fs";
import { workerData } from "node:worker_threads";

const TAIL_WORD = 32;
const file = process.env["END_BEFORE_PUBLICATION"];

if (file !== undefined && workerData?.feed !== undefined) {
  const { store } = Atomics;
  Atomics.store = (words, index, value) => {
    if (index === TAIL_WORD && existsSync(file)) {
      rmSync(file);
      process.exit(1);
    }
    return store(words, index, value);
  };
}
