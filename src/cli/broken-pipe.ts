/** Whether an error says that nobody reads what is written any more. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}

/** Lets a command go on to its own end where whoever read its output has had enough. */
export function outliveReader(...outputs: readonly NodeJS.WriteStream[]): void {
  for (const output of outputs) {
    output.on("error", (error) => {
      if (!isBrokenPipe(error)) throw error;
    });
  }
}
