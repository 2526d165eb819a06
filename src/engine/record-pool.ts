/** Records that the first block of memory has room for, slot 0 included. */
const CAPACITY_MIN = 16;

/**
 * Records of one size in a single block of memory, which is doubled when it is full. A slot that is
 * given back is the next to be taken, so memory follows the most records that were ever taken at a
 * time, and nothing is allocated between two doublings.
 *
 * A record is `words` f64 words, read through {@link f64} and {@link i32}; both views change with a
 * doubling, so nobody may keep one across {@link take}.
 *
 * Invariants:
 * - Slot 0 is never taken: 0 stands for "no record" wherever a slot is stored. Its record is there,
 *   zeroed, for the owner's use.
 * - Every other slot below `#next` is either taken or in the free list, whose links lie in the first
 *   i32 word of the free records.
 */
export class RecordPool {
  f64: Float64Array;
  i32: Int32Array;
  readonly #words: number;
  #capacity = CAPACITY_MIN;
  #next = 1;
  #free = 0;
  #taken = 0;

  constructor(words: number) {
    this.#words = words;
    const memory = new ArrayBuffer(this.#capacity * words * 8);
    this.f64 = new Float64Array(memory);
    this.i32 = new Int32Array(memory);
  }

  /** Slots that are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** A free slot. Its record holds whatever was there before, zeros if nothing was. */
  take(): number {
    this.#taken++;
    const free = this.#free;
    if (free !== 0) {
      this.#free = this.i32[free * this.#words * 2] as number;
      return free;
    }
    if (this.#next === this.#capacity) this.#double();
    return this.#next++;
  }

  /** Gives a taken slot back; the first i32 word of its record is lost. */
  give(slot: number): void {
    this.#taken--;
    this.i32[slot * this.#words * 2] = this.#free;
    this.#free = slot;
  }

  #double(): void {
    this.#capacity *= 2;
    const memory = new ArrayBuffer(this.#capacity * this.#words * 8);
    const f64 = new Float64Array(memory);
    f64.set(this.f64);
    this.f64 = f64;
    this.i32 = new Int32Array(memory);
  }
}
