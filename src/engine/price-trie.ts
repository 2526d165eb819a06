import { RecordPool } from "./record-pool.js";

/*
 * A node, of 17 f64 words or 34 i32 words:
 *
 *   0      which children there are, a bit for each │ 1  unused │ 2…33  children
 */
const NODE_WORDS = 17;
const NODE_I32 = NODE_WORDS * 2;
const CHILDREN = 2;
const DIGIT_BITS = 5;
const FAN_OUT = 1 << DIGIT_BITS;
/** Digits that fit into the 32 bits of JavaScript's bit operations. */
const LOW_DIGITS = 6;
/** Digits of the highest price, 2^53−1. */
const DIGITS_MAX = 11;

/**
 * An ordered map from prices (integers from 1 to 2^53−1) to slots (31-bit integers from 1): a trie
 * over the price's digits of 5 bits, with a bitmap of its children in each node.
 *
 * It is as high as its highest price needs, so the cost of each operation depends on the width of the
 * prices alone (two steps up to 1,023 ticks, four up to a million), never on how many there are.
 *
 * Invariants:
 * - `#height` + 1 digits tell all its prices apart, and with one digit less they would not all fit.
 * - Every node but the root has a child; a child is there if and only if its bit is set; a slot of
 *   a child that is not there holds 0. At height 0 the children are the values.
 */
export class PriceTrie {
  readonly #nodes = new RecordPool(NODE_WORDS);
  readonly #path = new Int32Array(DIGITS_MAX);
  #root = this.#nodes.take();
  #height = 0;
  /** The lowest price that needs more digits. */
  #end = FAN_OUT;

  /** Nodes in use, the root included. */
  get nodes(): number {
    return this.#nodes.taken;
  }

  /** The slot at a price, 0 where there is none. */
  get(price: number): number {
    if (price >= this.#end) return 0;
    const { i32 } = this.#nodes;
    let node = this.#root;
    for (let height = this.#height; height >= 0; height--) {
      node = i32[node * NODE_I32 + CHILDREN + digitOf(price, height)] as number;
      if (node === 0) return 0;
    }
    return node;
  }

  /**
   * Adds a price that is not there.
   * Returns the slot at the next lower price, 0 where there is no lower one.
   */
  add(price: number, slot: number): number {
    while (price >= this.#end) this.#raise();
    const nodes = this.#nodes;
    let node = this.#root;
    // The subtree right below the path, where the two part last: the next lower price is its highest.
    let below = 0;
    let belowHeight = 0;
    for (let height = this.#height; ; height--) {
      const digit = digitOf(price, height);
      const at = node * NODE_I32;
      const children = nodes.i32[at] as number;
      const lower = children & ((1 << digit) - 1);
      if (lower !== 0) {
        below = nodes.i32[at + CHILDREN + highestBit(lower)] as number;
        belowHeight = height;
      }
      node = nodes.i32[at + CHILDREN + digit] as number;
      if (node !== 0) continue;
      node = height === 0 ? slot : this.#takeNode();
      nodes.i32[at] = children | (1 << digit);
      nodes.i32[at + CHILDREN + digit] = node;
      if (height === 0) break;
    }
    for (; belowHeight > 0; belowHeight--) {
      const at = below * NODE_I32;
      below = nodes.i32[at + CHILDREN + highestBit(nodes.i32[at] as number)] as number;
    }
    return below;
  }

  /** Removes a price that is there. */
  remove(price: number): void {
    const nodes = this.#nodes;
    const { i32 } = nodes;
    const path = this.#path;
    let node = this.#root;
    for (let height = this.#height; height >= 0; height--) {
      path[height] = node;
      node = i32[node * NODE_I32 + CHILDREN + digitOf(price, height)] as number;
    }
    for (let height = 0; height <= this.#height; height++) {
      const at = (path[height] as number) * NODE_I32;
      const digit = digitOf(price, height);
      i32[at + CHILDREN + digit] = 0;
      i32[at] = (i32[at] as number) & ~(1 << digit);
      if (i32[at] !== 0 || height === this.#height) break;
      nodes.give(path[height] as number);
    }
    this.#settle();
  }

  /** Puts a root on top, under which all there is has the digit 0. */
  #raise(): void {
    const old = this.#root;
    if (this.#nodes.i32[old * NODE_I32] !== 0) {
      this.#root = this.#takeNode();
      this.#nodes.i32[this.#root * NODE_I32] = 1;
      this.#nodes.i32[this.#root * NODE_I32 + CHILDREN] = old;
    }
    this.#height++;
    this.#end *= FAN_OUT;
  }

  /** Takes roots off that tell nothing apart, after the highest prices have gone. */
  #settle(): void {
    const { i32 } = this.#nodes;
    if (i32[this.#root * NODE_I32] === 0) {
      this.#height = 0;
      this.#end = FAN_OUT;
    }
    while (this.#height > 0 && i32[this.#root * NODE_I32] === 1) {
      const root = this.#root;
      this.#root = i32[root * NODE_I32 + CHILDREN] as number;
      i32[root * NODE_I32 + CHILDREN] = 0;
      this.#nodes.give(root);
      this.#height--;
      this.#end /= FAN_OUT;
    }
  }

  /** A node without children. Nodes are given back without any, so only the free list's link is left. */
  #takeNode(): number {
    const node = this.#nodes.take();
    this.#nodes.i32[node * NODE_I32] = 0;
    return node;
  }
}

function digitOf(price: number, height: number): number {
  if (height < LOW_DIGITS) return (price >>> (height * DIGIT_BITS)) & (FAN_OUT - 1);
  const high = Math.floor(price / 2 ** (LOW_DIGITS * DIGIT_BITS));
  return (high >>> ((height - LOW_DIGITS) * DIGIT_BITS)) & (FAN_OUT - 1);
}

function highestBit(bits: number): number {
  return 31 - Math.clz32(bits);
}
