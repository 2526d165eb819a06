import type { LogOptions } from "../../shared/log.js";
import type { RelayTarget } from "../../shared/relay-url.js";
import type { Retention } from "../../store/pruning.js";

/*
 * What main and the standby's thread tell each other.
 */

/** Given to the standby's thread as its workerData. */
export interface StandbyTask {
  readonly counters: SharedArrayBuffer;
  readonly target: RelayTarget;
  /** Of the keys. */
  readonly prefix: string;
  readonly dataDir: string;
  readonly archiveDir: string;
  readonly retention: Retention;
  readonly keptJournalBytes: number;
  readonly log: LogOptions;
}

export type MainToStandby =
  /** This node has the lease: takes what is left, closes the store and ends. */
  { readonly type: "take-over" } | { readonly type: "stop" };

export type StandbyToMain =
  /** Why it does not have all that the exchange has, or undefined when it follows. */
  | { readonly type: "health"; readonly reason: string | undefined }
  /** Whether it may take over. */
  | { readonly type: "heir"; readonly isHeir: boolean };
