import { CodedError } from "../shared/coded-error.js";

/** Options that make no feed; the message names the flag, its value and the rule that is broken. */
export class FeedConfigurationError extends CodedError<"FEED_INVALID"> {
  readonly flag: string;

  constructor(flag: string, value: unknown, rule: string, options?: ErrorOptions) {
    super(
      "FEED_INVALID",
      `${flag} ${value === undefined ? "(not set)" : JSON.stringify(value)}: ${rule}`,
      options,
    );
    this.flag = flag;
  }
}
