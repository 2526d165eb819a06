import type { BookDepth } from "../../../contract/messages.js";

/** What a stream tells, and how: audiences that ask for the same of a market share it. */
export type StreamTerms =
  | { readonly what: "state" | "top"; readonly intervalMs: number }
  | { readonly what: "price"; readonly intervalMs: number; readonly sizes: boolean }
  | ({ readonly what: "book"; readonly intervalMs: number } & BookTerms);

export interface BookTerms {
  readonly depth: BookDepth;
  readonly checksum: boolean;
}

/** A text that equal terms share. */
export function termsKey(terms: StreamTerms): string {
  return Object.values(terms).join(" ");
}
