import { koffi } from "./koffi.js";

/*
 * One more call of libc that Node does not offer. Importing this fails where koffi is missing.
 */

const exit = koffi.load(null).func("void _exit(int status)");

/** Ends the process here and now: without waiting for any thread, and without a word to anybody. */
export function exitAtOnce(code: number): void {
  exit(code);
}
