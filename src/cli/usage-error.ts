import { CodedError } from "../shared/coded-error.js";

/** Thrown for a command line that cannot be carried out; its message is for the user, exit code 2. */
export class UsageError extends CodedError<"USAGE"> {
  constructor(message: string, options?: ErrorOptions) {
    super("USAGE", message, options);
  }
}
