import { ArchiveReader } from "../../../archive/archive-reader.js";
import { ARCHIVIST, type CounterSection, counted } from "../../../counters/counters.js";

/** How often it is looked whether the archive that is open is still the one, in ms. */
const LOOK_INTERVAL_MS = 200;

/**
 * The archive as a thread reads it: opened when the archivist has it open, and closed when another is
 * to be opened, as LMDB opens a file once for all threads of a process.
 */
export class ArchiveAccess {
  readonly #dir: string | undefined;
  readonly #archivist: CounterSection;
  readonly #timer: NodeJS.Timeout;
  #generation = 0;
  #reader: ArchiveReader | undefined;

  /** @param dir the archive's directory; undefined where nothing is archived */
  constructor(dir: string | undefined, archivist: CounterSection) {
    this.#dir = dir;
    this.#archivist = archivist;
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
    this.#timer.unref();
  }

  /** The archive; undefined while there is none to read. Not to be kept over turns of the loop. */
  get reader(): ArchiveReader | undefined {
    this.#look();
    if (this.#reader === undefined && this.#generation !== 0 && this.#dir !== undefined)
      this.#reader = new ArchiveReader(this.#dir);
    return this.#reader;
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
    void this.#reader?.close();
    this.#reader = undefined;
  }
}
