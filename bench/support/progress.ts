/** Says on stderr what a bench is about to do; stdout has the tables only. */
export function progress(text: string): void {
  process.stderr.write(`${new Date().toTimeString().slice(0, 8)} ${text}\n`);
}
