import type { Examination } from "./examination.js";

/** Measurements for the report; names end in their unit. */
type Figures = Readonly<Record<string, number>>;

/** What a check that did not fail found. */
export type Finding =
  | { readonly status: "passed"; readonly detail: string; readonly figures?: Figures }
  | { readonly status: "skipped"; readonly detail: string };

/** One thing that is asked of a server. */
export interface Check {
  /** Short, and unlike that of any other check. */
  readonly name: string;
  /** Checks without which this one makes no sense: it is skipped unless they have passed. */
  readonly needs: readonly string[];
  /** How long it takes by intention, in milliseconds, besides waiting for the server. */
  readonly durationMs?: number;
  /** Throws for what is wrong. */
  run(examination: Examination): Promise<Finding>;
}

export interface CheckResult {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  readonly detail: string;
  readonly timeMs: number;
  readonly figures: Figures;
}

export function passed(detail: string, figures: Figures = {}): Finding {
  return { status: "passed", detail, figures };
}

export function skipped(detail: string): Finding {
  return { status: "skipped", detail };
}
