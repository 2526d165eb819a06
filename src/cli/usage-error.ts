/** Thrown for a command line that cannot be carried out; its message is for the user, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
