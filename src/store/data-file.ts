import { closeSync, fstatSync, openSync } from "node:fs";
import { damaged } from "./store-error.js";

/** Throws STORE_DAMAGED where LMDB could not safely open the file. */
export function verifyDataFile(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    if (fstatSync(descriptor).size === 0) throw damaged(path, "it is empty");
  } finally {
    closeSync(descriptor);
  }
}
