/** Outputs to discard after seeding, until every bit of the state depends on the seed. */
const WARM_UP = 12;

/**
 * A small seeded pseudo-random generator: sfc32 by Chris Doty-Humphrey (PractRand 0.93), 128 bits of
 * state, period at least 2^32. Its words are kept as signed 32-bit integers, which V8 neither boxes
 * nor allocates. Not for secrets.
 */
export class Random {
  #a: number;
  #b: number;
  #c = 0;
  #counter = 1;

  /** @param seed an integer from 0 to 2^53−1; equal seeds give equal sequences */
  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    for (let i = 0; i < WARM_UP; i++) this.nextInt32();
  }

  /** The next 32 bits, as a signed integer. */
  nextInt32(): number {
    const output = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + output) | 0;
    return output;
  }

  /** An integer in [0, bound), for a bound up to 2^31; uneven by less than bound / 2^32. */
  below(bound: number): number {
    return (((this.nextInt32() >>> 0) * bound) / 4294967296) | 0;
  }
}
