/** What main knows about the whole server; `reasons` are sentences for an operator. */
export interface SystemState {
  readonly state: "ok" | "degraded" | "draining";
  readonly reasons: readonly string[];
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
}
