import type { JournalMarks } from "../counters/journal-marks.js";

/** How long a confirmation is waited for in one look, in ms. */
const LOOK_MS = 100;

interface StandbyAcksOptions {
  readonly marks: JournalMarks;
  /** Nothing is told before a standby has it on its disk. */
  readonly required: boolean;
  /** How long a batch may wait for that until its requests are refused, in ms. */
  readonly timeoutMs: number;
}

/**
 * What the exchange says and hears of its standbys: up to where its journal is on its own disk, and on theirs. Without
 * standbys that are required it only says.
 */
export class StandbyAcks {
  readonly #options: StandbyAcksOptions;

  constructor(options: StandbyAcksOptions) {
    this.#options = options;
  }

  /** A record is on this exchange's disk. */
  store(number: number): void {
    this.#options.marks.store(number);
  }

  /** Whether something is on this exchange's disk that may be told, or no standby has to have it. */
  isConfirmed(number: number): boolean {
    const { required, marks } = this.#options;
    return !required || marks.confirmed >= number;
  }

  /**
   * Resolves with true when a record may be told, however long that takes; with false where it is given up.
   * @param late called once where it takes longer than it may
   * @param givesUp asked from then on
   */
  async confirmed(number: number, late: () => void, givesUp: () => boolean): Promise<boolean> {
    const { required, marks, timeoutMs } = this.#options;
    if (!required || (await marks.untilConfirmed(number, timeoutMs))) return true;
    late();
    while (!(await marks.untilConfirmed(number, LOOK_MS))) if (givesUp()) return false;
    return true;
  }
}
