const CAPACITY_MIN = 32;

/**
 * A hash table from order ids (integers from 1 to 2^53−1) to slots (31-bit integers from 1): open
 * addressing with linear probing, in two typed arrays.
 *
 * Invariants:
 * - The capacity is a power of two and at most half of it is used, so every probe ends at a hole.
 * - Between the place that an id's hash names and the place where it is, there is no hole. A removal
 *   keeps that by moving later entries back into the hole (Knuth, TAOCP 3, 6.4, algorithm R), and so
 *   leaves no tombstones behind: a table that was in use for long is as fast as a new one.
 */
export class OrderIdTable {
  #ids = new Float64Array(CAPACITY_MIN);
  #slots = new Int32Array(CAPACITY_MIN);
  #mask = CAPACITY_MIN - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The slot of an id, 0 where it has none. */
  get(orderId: number): number {
    return this.#slots[this.#find(orderId)] as number;
  }

  /** Adds an id that is not in the table. */
  add(orderId: number, slot: number): void {
    if (this.#size * 2 > this.#mask) this.#double();
    const place = this.#find(orderId);
    this.#ids[place] = orderId;
    this.#slots[place] = slot;
    this.#size++;
  }

  /** Removes an id and returns its slot, 0 where it had none. */
  remove(orderId: number): number {
    const ids = this.#ids;
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = this.#find(orderId);
    const removed = slots[hole] as number;
    if (removed === 0) return 0;
    for (let place = (hole + 1) & mask; slots[place] !== 0; place = (place + 1) & mask) {
      const home = hash(ids[place] as number) & mask;
      // It may move back unless that would put it in front of its home, going round.
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      ids[hole] = ids[place] as number;
      slots[hole] = slots[place] as number;
      hole = place;
    }
    ids[hole] = 0;
    slots[hole] = 0;
    this.#size--;
    return removed;
  }

  /** Where an id is, or else the hole where it belongs. */
  #find(orderId: number): number {
    const ids = this.#ids;
    const mask = this.#mask;
    let place = hash(orderId) & mask;
    while (ids[place] !== orderId && ids[place] !== 0) place = (place + 1) & mask;
    return place;
  }

  #double(): void {
    const ids = this.#ids;
    const slots = this.#slots;
    const capacity = ids.length * 2;
    this.#ids = new Float64Array(capacity);
    this.#slots = new Int32Array(capacity);
    this.#mask = capacity - 1;
    for (let place = 0; place < ids.length; place++) {
      if (slots[place] === 0) continue;
      const moved = this.#find(ids[place] as number);
      this.#ids[moved] = ids[place] as number;
      this.#slots[moved] = slots[place] as number;
    }
  }
}

/**
 * Ids are handed out in sequence and leave in any order; taken as they are they would form runs that
 * later ids have to step over. The finalizer of MurmurHash3 (Austin Appleby), over both halves.
 */
function hash(orderId: number): number {
  let bits = orderId | 0;
  if (orderId > 0xffff_ffff) bits ^= Math.imul(orderId / 2 ** 32, 0x9e37_79b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return bits ^ (bits >>> 16);
}
