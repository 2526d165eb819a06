/**
 * Milliseconds of a clock that only goes forward and is the same for all threads of the machine. It goes on while a
 * process is suspended. (That of `performance` begins with each thread.)
 */
export function machineMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
