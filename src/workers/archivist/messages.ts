import type { MarketMemory } from "../../ring/market-memory.js";
import type { LogOptions } from "../../shared/log.js";

/*
 * What main and the archivist's thread tell each other, beside what every reader of the rings is told.
 */

/** Given to the archivist's thread as its workerData. */
export interface ArchivistTask {
  readonly archivist: true;
  readonly counters: SharedArrayBuffer;
  /** The archive's directory. */
  readonly dir: string;
  /** The data directory, where the exchange's store is in it; undefined where trades are in no store. */
  readonly storeIn: string | undefined;
  /** What is told comes of another node, with its epochs and numbers. */
  readonly relayed: boolean;
  /** Of producers whose trades may not be archived yet, in their order. */
  readonly memories: readonly MarketMemory[];
  /** Whether there were others before these. */
  readonly memoriesLeftOut: boolean;
  /** An archive that was damaged since it was looked through: why. */
  readonly damage: string | undefined;
  readonly retentionMs: number;
  readonly bytesMax: number;
  readonly log: LogOptions;
}

export type ArchivistToMain =
  /** Why history is behind at the moment, or undefined when it is not any more. */
  { readonly type: "health"; readonly reason: string | undefined };
