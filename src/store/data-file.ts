import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  META_PAGES,
  type Meta,
  NODE_FLAG,
  NODE_HEADER_BYTES,
  OVERFLOW_REFERENCE_BYTES,
  PAGE_FLAG,
  PAGE_FLAGS_OF_FORM,
  PAGE_HEADER_BYTES,
  PAGE_SIZE_MAX,
  PAGE_SIZE_MIN,
  readMeta,
  readTreeInfo,
  readU64,
  TREE_FLAG,
  TREE_INFO_BYTES,
  type TreeInfo,
} from "./lmdb-format.js";
import { damaged } from "./store-error.js";

/** Longest time, in ms, between two turns of the event loop, whatever a page takes to read. */
const TURN_MS_MAX = 10;
/** Pages between two looks at the clock. */
const PAGES_PER_LOOK = 16;
const U64_BYTES = 8;
/** Deepest tree that LMDB makes. */
const DEPTH_MAX = 32;

/** What a page is found to be used for. */
const UNUSED = 0;
const IN_TREE = 1;
const FREE = 2;

/**
 * Looks through every page of a store's file, and rejects with STORE_DAMAGED where LMDB could not
 * safely open, read and write it.
 *
 * LMDB trusts its file: it follows a page number or an offset wherever it leads, so that a damaged
 * one ends the process with a signal, or has a page overwritten that is in use. Hence the file is
 * first looked through by code that a wrong number cannot harm: that the pages of every tree are what
 * their parents say, within the file, and used once; that nodes are within their pages and keys in
 * order; that counts are right; and that no page is both free and in use. What the records say is not
 * looked at: they have checksums.
 *
 * Nobody may write to the file meanwhile, unless a read transaction holds the state that it has. Rejects
 * with the signal's reason when that aborts.
 */
export async function verifyDataFile(path: string, signal?: AbortSignal): Promise<void> {
  const descriptor = openSync(path, "r");
  try {
    const file = new DataFile(path, descriptor);
    let turnedAt = performance.now();
    for (const _ of file.verify()) {
      if (performance.now() - turnedAt < TURN_MS_MAX) continue;
      await nextTurn();
      signal?.throwIfAborted();
      turnedAt = performance.now();
    }
  } finally {
    closeSync(descriptor);
  }
}

/** A tree while it is walked, and what was found of it so far. */
interface Walk {
  readonly name: string;
  readonly info: TreeInfo;
  readonly compare: (a: Buffer, b: Buffer) => number;
  /** Hears of every record. */
  readonly visit: ((key: Buffer, data: Buffer) => void) | undefined;
  branchPages: number;
  leafPages: number;
  overflowPages: number;
  entries: number;
  /** The key before, of a record or of a branch that separates records. */
  last: Buffer | undefined;
  lastIsSeparator: boolean;
}

/** Throws STORE_DAMAGED where LMDB could not open the file, whatever it has to read afterwards. */
export function verifyMetas(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    new DataFile(path, descriptor);
  } finally {
    closeSync(descriptor);
  }
}

class DataFile {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #size: number;
  readonly #meta: Meta;
  readonly #uses: Uint8Array;
  #pagesRead = 0;

  /** Throws STORE_DAMAGED where the file has no two good meta pages. */
  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#meta = this.#latestMeta();
    // After the metas: who writes to the file makes it longer before a meta says so, and never shorter.
    this.#size = fstatSync(descriptor).size;
    const pages = Math.min(this.#meta.lastPage + 1, Math.floor(this.#size / this.#meta.pageSize));
    this.#uses = new Uint8Array(pages);
  }

  /** Throws STORE_DAMAGED. Yields now and then, so that a thread may do other things as well. */
  *verify(): Generator<void, void> {
    const named: [string, TreeInfo][] = [];
    yield* this.#tree("the main database", this.#meta.main, Buffer.compare, (key, data) => {
      named.push([`database ${key}`, readTreeInfo(data, 0)]);
    });
    for (const [name, info] of named) {
      if (info.flags !== TREE_FLAG.none) this.#fail(`${name} has flags ${info.flags}`);
      yield* this.#tree(name, info, Buffer.compare);
    }
    const lists: Buffer[] = [];
    yield* this.#tree("the free database", this.#meta.free, compareU64, (_, data) => {
      lists.push(Buffer.from(data));
    });
    for (const list of lists) {
      this.#freeList(list);
      yield;
    }
  }

  /** The meta that counts. Both must be good: which one a damaged one would have been is unknown. */
  #latestMeta(): Meta {
    const first = readMeta(this.#settledMeta(0));
    if (first === undefined) this.#fail("it does not begin like an LMDB file of this format");
    const { pageSize } = first;
    if (pageSize < PAGE_SIZE_MIN || pageSize > PAGE_SIZE_MAX || Math.log2(pageSize) % 1 !== 0) {
      this.#fail(`its page size is ${pageSize}`);
    }
    const second = readMeta(this.#settledMeta(pageSize));
    if (second?.pageSize !== pageSize) this.#fail("its second page is not what it must be");
    for (const { mapSize, lastPage, main, free } of [first, second]) {
      // LMDB makes a map that reaches as far as the last page, or dies in the attempt.
      if ((lastPage + 1) * pageSize > mapSize) this.#fail(`its last page is ${lastPage}`);
      if (main.flags !== TREE_FLAG.none || free.flags !== TREE_FLAG.integerKeys) {
        this.#fail(`its databases have flags ${main.flags} and ${free.flags}`);
      }
    }
    return first.transaction > second.transaction ? first : second;
  }

  /** A meta page's first bytes, as they were when they were read twice: somebody may be writing them. */
  #settledMeta(position: number): Buffer {
    let [before, after] = [Buffer.alloc(PAGE_SIZE_MIN), Buffer.alloc(PAGE_SIZE_MIN)];
    this.#read(after, position);
    do {
      [before, after] = [after, before];
      this.#read(after, position);
    } while (!before.equals(after));
    return after;
  }

  *#tree(
    name: string,
    info: TreeInfo,
    compare: Walk["compare"],
    visit?: Walk["visit"],
  ): Generator<void, void> {
    const walk: Walk = {
      name,
      info,
      compare,
      visit,
      branchPages: 0,
      leafPages: 0,
      overflowPages: 0,
      entries: 0,
      last: undefined,
      lastIsSeparator: false,
    };
    if (info.depth > DEPTH_MAX) this.#fail(`${name} has depth ${info.depth}`);
    if (info.root !== undefined) yield* this.#page(walk, info.root, info.depth);
    for (const count of ["branchPages", "leafPages", "overflowPages", "entries"] as const) {
      if (walk[count] !== info[count]) {
        this.#fail(`${name} has ${walk[count]} ${count}, and says it has ${info[count]}`);
      }
    }
  }

  /** Walks a page of a tree and all below it; at depth 1 it is a leaf. */
  *#page(walk: Walk, number: number, depth: number): Generator<void, void> {
    if (++this.#pagesRead % PAGES_PER_LOOK === 0) yield;
    const page = this.#claim(walk.name, number, depth > 1 ? PAGE_FLAG.branch : PAGE_FLAG.leaf);
    const offsets = this.#nodeOffsets(walk.name, number, page);
    if (depth > 1) {
      walk.branchPages++;
      if (offsets.length < 2) this.#fail(`page ${number} of ${walk.name} has one child`);
      for (const [index, offset] of offsets.entries()) {
        // The first key is not there: it would be lower than any.
        if (index > 0) this.#order(walk, nodeKey(page, offset), true);
        yield* this.#page(walk, childOf(page, offset), depth - 1);
      }
      return;
    }
    walk.leafPages++;
    walk.entries += offsets.length;
    for (const offset of offsets) {
      const key = nodeKey(page, offset);
      this.#order(walk, key, false);
      const data = this.#data(walk, page, offset);
      walk.visit?.(key, data);
    }
  }

  /** Checks that keys ascend; a record's may be equal to the separator before it. */
  #order(walk: Walk, key: Buffer, isSeparator: boolean): void {
    if (walk.info === this.#meta.free && key.length !== U64_BYTES) {
      this.#fail(`${walk.name} has a key of ${key.length} bytes`);
    }
    if (walk.last !== undefined) {
      const difference = walk.compare(key, walk.last);
      const mayBeEqual = walk.lastIsSeparator && !isSeparator;
      if (difference < 0 || (difference === 0 && !mayBeEqual)) {
        this.#fail(`${walk.name} has keys out of order`);
      }
    }
    walk.last = key;
    walk.lastIsSeparator = isSeparator;
  }

  /** Where the nodes of a page begin; all of them are within it, and together fill what they say. */
  #nodeOffsets(name: string, number: number, page: Buffer): number[] {
    const fail = (what: string) => this.#fail(`page ${number} of ${name} ${what}`);
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    const room = page.length - PAGE_HEADER_BYTES;
    if (lower % 2 !== 0 || lower === 0 || lower > upper || upper > room) fail("has a wrong header");
    const offsets: number[] = [];
    let filled = 0;
    for (let at = 0; at < lower; at += 2) {
      const offset = PAGE_HEADER_BYTES + page.readUInt16LE(PAGE_HEADER_BYTES + at);
      if (offset < PAGE_HEADER_BYTES + upper || offset + NODE_HEADER_BYTES > page.length) {
        fail("has a node out of bounds");
      }
      const size = nodeSize(page, offset);
      if (offset + size > page.length) fail("has a node out of bounds");
      filled += size + (size % 2);
      offsets.push(offset);
    }
    if (filled !== room - upper) fail("has nodes that overlap or leave gaps");
    return offsets;
  }

  /** The data of a leaf's record; of one on overflow pages only where somebody hears of it. */
  #data(walk: Walk, page: Buffer, offset: number): Buffer {
    const flag = page.readUInt16LE(offset + 4);
    const size = dataSize(page, offset);
    const begin = offset + NODE_HEADER_BYTES + page.readUInt16LE(offset + 6);
    // The main database holds the others, and nothing else does.
    const fits =
      walk.info === this.#meta.main
        ? flag === NODE_FLAG.tree && size === TREE_INFO_BYTES
        : flag === NODE_FLAG.none || flag === NODE_FLAG.overflow;
    if (!fits) this.#fail(`${walk.name} has a record of a strange kind`);
    if (flag !== NODE_FLAG.overflow) return page.subarray(begin, begin + size);
    const pages = Math.floor((PAGE_HEADER_BYTES - 1 + size) / page.length) + 1;
    const first = readU64(page, begin);
    const head = this.#claim(walk.name, first, PAGE_FLAG.overflow, pages);
    if (
      readU64(page, begin + 8) !== readU64(head, 8) ||
      readU64(page, begin + 16) !== pages ||
      head.readUInt32LE(20) !== pages
    ) {
      this.#fail(`page ${first} of ${walk.name} is not the first of ${pages}`);
    }
    walk.overflowPages += pages;
    const all = walk.visit === undefined ? head : this.#readPages(first, pages);
    return all.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + size);
  }

  /** The first of one or several pages in a row that belong together, and that nothing else uses. */
  #claim(name: string, number: number, form: number, pages = 1): Buffer {
    this.#use(name, number, pages, IN_TREE);
    const page = this.#readPages(number, 1);
    if (
      readU64(page, 0) !== number ||
      // LMDB takes a page of a later transaction for one in memory, and writes to it.
      readU64(page, 8) > this.#meta.transaction ||
      (page.readUInt16LE(18) & PAGE_FLAGS_OF_FORM) !== form
    ) {
      this.#fail(`page ${number} of ${name} is not what it must be`);
    }
    return page;
  }

  #readPages(first: number, pages: number): Buffer {
    const bytes = Buffer.allocUnsafe(pages * this.#meta.pageSize);
    this.#read(bytes, first * this.#meta.pageSize);
    return bytes;
  }

  #use(name: string, first: number, pages: number, use: number): void {
    if (first < META_PAGES || first + pages - 1 > this.#meta.lastPage) {
      this.#fail(`${name} has a page ${first}, which is out of bounds`);
    }
    for (let number = first; number < first + pages; number++) {
      // Free pages may lie beyond the end of the file.
      if (number >= this.#uses.length) {
        if (use === IN_TREE)
          this.#fail(`page ${number} of ${name} is missing: the file is cut off`);
      } else if (this.#uses[number] !== UNUSED) {
        this.#fail(`page ${number} of ${name} is used twice`);
      } else {
        this.#uses[number] = use;
      }
    }
  }

  /**
   * A list of free pages: how many words follow; then a page, or the negative length of a run and its
   * first page; or 0, which is nothing.
   */
  #freeList(list: Buffer): void {
    const name = "the free database";
    const words = list.length < U64_BYTES ? Infinity : readU64(list, 0);
    if ((words + 1) * U64_BYTES > list.length) this.#fail(`${name} has a list that is cut off`);
    for (let word = 1; word <= words; word++) {
      const entry = Number(list.readBigInt64LE(word * U64_BYTES));
      if (entry > 0) this.#use(name, entry, 1, FREE);
      else if (entry < 0) {
        if (word === words) this.#fail(`${name} has a list that is cut off`);
        this.#use(name, readU64(list, ++word * U64_BYTES), -entry, FREE);
      }
    }
  }

  #read(into: Buffer, position: number): void {
    if (readSync(this.#descriptor, into, 0, into.length, position) !== into.length) {
      this.#fail("it is cut off");
    }
  }

  #fail(what: string): never {
    throw damaged(this.#path, what);
  }
}

function dataSize(page: Buffer, offset: number): number {
  return page.readUInt32LE(offset);
}

function childOf(page: Buffer, offset: number): number {
  return page.readUInt16LE(offset + 4) * 2 ** 32 + page.readUInt32LE(offset);
}

function nodeKey(page: Buffer, offset: number): Buffer {
  const begin = offset + NODE_HEADER_BYTES;
  return page.subarray(begin, begin + page.readUInt16LE(offset + 6));
}

/** Bytes that a node takes on its page. */
function nodeSize(page: Buffer, offset: number): number {
  const key = NODE_HEADER_BYTES + page.readUInt16LE(offset + 6);
  if ((page.readUInt16LE(18) & PAGE_FLAG.branch) !== 0) return key;
  const onPages = page.readUInt16LE(offset + 4) === NODE_FLAG.overflow;
  return key + (onPages ? OVERFLOW_REFERENCE_BYTES : dataSize(page, offset));
}

function compareU64(a: Buffer, b: Buffer): number {
  return readU64(a, 0) - readU64(b, 0);
}
