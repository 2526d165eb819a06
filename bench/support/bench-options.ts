/** What every bench is told. */
export interface BenchOptions {
  /** The form for continuous integration: everything runs, briefly; the figures mean little. */
  readonly short: boolean;
  /** The one section to run, of a bench that has sections. */
  readonly only?: string;
}

/** What a bench hands back, beside what it has printed: plain data for `--json`. */
export interface BenchReport {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly results: Readonly<Record<string, unknown>>;
  readonly targets: readonly TargetCheck[];
}

/** A figure against what it is to reach. */
export interface TargetCheck {
  readonly what: string;
  readonly target: string;
  /** The figure, or why there is none. */
  readonly measured: string;
  /** Undefined where there is nothing to compare. */
  readonly reached: boolean | undefined;
}
