/** Options that make no feed; the message names the flag, its value and the rule that is broken. */
export class FeedConfigurationError extends Error {
  override readonly name = "FeedConfigurationError";
  readonly flag: string;

  constructor(flag: string, value: unknown, rule: string, options?: ErrorOptions) {
    super(`${flag} ${value === undefined ? "(not set)" : JSON.stringify(value)}: ${rule}`, options);
    this.flag = flag;
  }
}
