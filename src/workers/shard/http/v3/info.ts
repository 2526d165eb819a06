/** What is told of the server itself in each description of it. */
export interface Info {
  readonly version: string;
  /** Bounds that clients meet, by the contract's spelling of names. */
  readonly limits: Readonly<Record<string, number>>;
}
