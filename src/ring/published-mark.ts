import { MARK_OFFSETS, MARK_TAIL_OFFSET, TAIL_WORD } from "./layout.js";

/*
 * A ring's mark: a number by which a producer says how far it has come with what it publishes there,
 * and which outlives it. The mark that holds is the one that was written for the present tail; the
 * next is written beside it before the tail moves, so whenever the producer dies, mark and tail agree.
 */

/** The producer's side of a ring's marks: the only writer. */
export class MarkWriter {
  readonly #numbers: readonly Float64Array[];
  readonly #tails: readonly Int32Array[];
  #next = 0;

  constructor(ring: SharedArrayBuffer) {
    this.#numbers = MARK_OFFSETS.map((offset) => new Float64Array(ring, offset, 1));
    this.#tails = MARK_OFFSETS.map((offset) => new Int32Array(ring, offset + MARK_TAIL_OFFSET, 1));
  }

  /** Writes the mark that will hold when the tail, which is another one now, is `tail`. */
  write(mark: number, tail: number): void {
    // The tail first: a mark of which only that is written is for no tail there has been.
    (this.#tails[this.#next] as Int32Array)[0] = tail;
    (this.#numbers[this.#next] as Float64Array)[0] = mark;
    this.#next = 1 - this.#next;
  }
}

/** The mark of a ring, whether its producer publishes or has ended; 0 where it never set one. */
export function publishedMark(ring: SharedArrayBuffer): number {
  const words = new Int32Array(ring);
  for (;;) {
    const tail = Atomics.load(words, TAIL_WORD);
    const mark = markOf(ring, tail);
    // The next mark but one is written over this one, when the tail has moved: a producer takes a turn for that.
    if (Atomics.load(words, TAIL_WORD) === tail) return mark;
  }
}

function markOf(ring: SharedArrayBuffer, tail: number): number {
  let mark = 0;
  for (const offset of MARK_OFFSETS) {
    const markTail = new Int32Array(ring, offset + MARK_TAIL_OFFSET, 1)[0];
    if (markTail === tail) mark = Math.max(mark, new Float64Array(ring, offset, 1)[0] as number);
  }
  return mark;
}
