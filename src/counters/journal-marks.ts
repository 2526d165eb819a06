/*
 * Words that the exchange's thread and the relay's share, while the journal goes to standbys. Byte diagram:
 *
 *   0            4            8            16           24           32
 *   ├────────────┼────────────┼────────────┼────────────┼────────────┤
 *   │ stored     │ confirmed  │ stored     │ confirmed  │ timelines  │
 *   │ doorbell   │ doorbell   │            │            │            │
 *   └────────────┴────────────┴────────────┴────────────┴────────────┘
 *
 * `stored` and `timelines` are the exchange's: number of the last record on its disk, and how many timelines were begun in
 * this process. `confirmed` is the relay's: the record up to which every standby that may take over has all
 * on its disk; -1 where there is no such standby.
 */
const BYTES = 32;
const STORED_BELL = 0;
const CONFIRMED_BELL = 1;
const STORED = 1;
const CONFIRMED = 2;
const TIMELINES = 3;

/** Where there is no standby that may take over. */
const NOBODY = -1;

export function createJournalMarks(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(BYTES);
  new JournalMarks(buffer).confirm(NOBODY);
  return buffer;
}

/**
 * How far the exchange's journal is on its disk, and on those of its standbys. A wait ends with the next change, so
 * neither thread sends the other a message for a batch.
 */
export class JournalMarks {
  readonly #bells: Int32Array;
  readonly #words: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#bells = new Int32Array(buffer);
    this.#words = new Float64Array(buffer);
  }

  get stored(): number {
    return this.#read(STORED_BELL, STORED);
  }

  get confirmed(): number {
    return this.#read(CONFIRMED_BELL, CONFIRMED);
  }

  /** Timelines that have been begun; with 0 the journal cannot be relayed. */
  get timelines(): number {
    return this.#read(STORED_BELL, TIMELINES);
  }

  /** The exchange has a timeline of its own, and so many records. */
  begin(stored: number): void {
    this.#words[TIMELINES] = (this.#words[TIMELINES] as number) + 1;
    this.store(stored);
  }

  store(number: number): void {
    this.#write(STORED_BELL, STORED, number);
  }

  confirm(number: number): void {
    if (this.#words[CONFIRMED] !== number) this.#write(CONFIRMED_BELL, CONFIRMED, number);
  }

  /** No standby is there that may take over. */
  confirmNothing(): void {
    this.confirm(NOBODY);
  }

  /** Resolves when more may be stored than a number, or after so many ms. */
  async untilStoredBehind(number: number, ms: number): Promise<void> {
    const rung = Atomics.load(this.#bells, STORED_BELL);
    if ((this.#words[STORED] as number) > number) return;
    await this.#wait(STORED_BELL, rung, ms);
  }

  /** Resolves with whether a number is confirmed, within so many ms. */
  async untilConfirmed(number: number, ms: number): Promise<boolean> {
    const end = performance.now() + ms;
    for (;;) {
      const rung = Atomics.load(this.#bells, CONFIRMED_BELL);
      if ((this.#words[CONFIRMED] as number) >= number) return true;
      const left = end - performance.now();
      if (left <= 0) return false;
      await this.#wait(CONFIRMED_BELL, rung, left);
    }
  }

  async #wait(bell: number, rung: number, ms: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#bells, bell, rung, ms);
    if (wait.async) await wait.value;
  }

  #read(bell: number, word: number): number {
    // What was written before the bell rang is seen behind it.
    Atomics.load(this.#bells, bell);
    return this.#words[word] as number;
  }

  #write(bell: number, word: number, value: number): void {
    this.#words[word] = value;
    Atomics.add(this.#bells, bell, 1);
    Atomics.notify(this.#bells, bell);
  }
}
