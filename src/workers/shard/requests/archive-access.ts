import { ArchiveDamage } from "../../../archive/archive-form.js";
import { ArchiveReader } from "../../../archive/archive-reader.js";
import { ARCHIVIST, type CounterSection, counted } from "../../../counters/counters.js";
import type { TradeArchiveSource } from "../fan-out/archived-trades.js";

/** How often it is looked whether the archive that is open is still the one, in ms. */
const LOOK_INTERVAL_MS = 200;

/** The archive, for those who read it. */
export interface ArchiveSource {
  /** Undefined while there is none to read. Not to be kept over turns of the loop. */
  readonly reader: ArchiveReader | undefined;
  /** Reading it has failed: where it is damaged, another one is made in its place. */
  noteFault(error: unknown): void;
}

/**
 * The archive as a thread reads it: opened when the archivist has it open, and closed when another is
 * to be opened, as LMDB opens a file once for all threads of a process.
 */
export class ArchiveAccess implements ArchiveSource, TradeArchiveSource {
  readonly #dir: string | undefined;
  readonly #archivist: CounterSection;
  readonly #timer: NodeJS.Timeout;
  readonly #damaged: (reason: string) => void;
  #generation = 0;
  /** The one whose damage has been told. */
  #damagedGeneration = 0;
  #reader: ArchiveReader | undefined;

  /**
   * @param dir the archive's directory; undefined where nothing is archived
   * @param damaged told once of each archive that is not what was written
   */
  constructor(
    dir: string | undefined,
    archivist: CounterSection,
    damaged: (reason: string) => void,
  ) {
    this.#damaged = damaged;
    this.#dir = dir;
    this.#archivist = archivist;
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Another one: another archive may be the one that is read; 0 where there is none. */
  get generation(): number {
    this.#look();
    return this.#generation;
  }

  get reader(): ArchiveReader | undefined {
    this.#look();
    if (this.#reader === undefined && this.#generation !== 0 && this.#dir !== undefined)
      this.#reader = new ArchiveReader(this.#dir);
    return this.#reader;
  }

  noteFault(error: unknown): void {
    if (!(error instanceof ArchiveDamage) || this.#damagedGeneration === this.#generation) return;
    this.#damagedGeneration = this.#generation;
    this.#damaged(error.message);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#close();
  }

  #look(): void {
    const generation = counted(this.#archivist, ARCHIVIST.generation);
    if (generation === this.#generation) return;
    this.#close();
    this.#generation = generation;
  }

  #close(): void {
    // Another one is opened whether or not this one could be closed.
    this.#reader?.close().catch(() => {});
    this.#reader = undefined;
  }
}
