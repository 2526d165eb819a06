/*
 * The form of an LMDB file, version 2 of the data format, as far as it is needed to look through one
 * without LMDB. Little-endian, as on every platform that LMDB ships for here. Offsets in bytes.
 *
 * Page, each of the page size:
 *
 *   0       8       16     18      20      22      24
 *   ├───────┼───────┼──────┼───────┼───────┼───────┼──────────────────┬───────┬────────┐
 *   │ page  │ txn   │ pad  │ flags │ lower │ upper │ u16 offsets of   │ free  │ nodes  │
 *   │ number│ number│      │       │       │       │ nodes, by key    │       │        │
 *   └───────┴───────┴──────┴───────┴───────┴───────┴──────────────────┴───────┴────────┘
 *
 *   lower, upper and the offsets of nodes count from the end of this header; an overflow page has
 *   the number of its pages as a u32 in place of lower and upper.
 *
 * Node:
 *
 *   0        2        4       6           8
 *   ├────────┼────────┼───────┼───────────┼─────┬──────┐
 *   │ low    │ high   │ flags │ key size  │ key │ data │
 *   └────────┴────────┴───────┴───────────┴─────┴──────┘
 *
 *   leaf: low and high are the data's size; branch: low, high and flags are the child's number.
 *
 * Meta, in the first two pages after the header, the one with the higher transaction number counts:
 *
 *   0       4         8         16        24        72        120      128     136
 *   ├───────┼─────────┼─────────┼─────────┼─────────┼─────────┼────────┼───────┤
 *   │ magic │ version │ address │ map     │ free    │ main    │ last   │ txn   │
 *   │       │         │         │ size    │ database│ database│ page   │ number│
 *   └───────┴─────────┴─────────┴─────────┴─────────┴─────────┴────────┴───────┘
 *
 * Database:
 *
 *   0     4       6       8          16        24         32        40     48
 *   ├─────┼───────┼───────┼──────────┼─────────┼──────────┼─────────┼──────┤
 *   │ pad │ flags │ depth │ branch   │ leaf    │ overflow │ entries │ root │
 *   │     │       │       │ pages    │ pages   │ pages    │         │ page │
 *   └─────┴───────┴───────┴──────────┴─────────┴──────────┴─────────┴──────┘
 *
 *   The free database's pad is the page size.
 */

export const PAGE_HEADER_BYTES = 24;
export const NODE_HEADER_BYTES = 8;
export const TREE_INFO_BYTES = 48;
const META_BYTES = 136;
/** What a node has in place of data on overflow pages: the first page, a transaction, their number. */
export const OVERFLOW_REFERENCE_BYTES = 24;

export const PAGE_FLAG = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;
/** Flags that say what is on a page; the others are LMDB's own notes about one in memory. */
export const PAGE_FLAGS_OF_FORM = 0x7f;

/** Flags of a leaf's node: its data is here, or on overflow pages, or is a database. */
export const NODE_FLAG = { none: 0, overflow: 1, tree: 2 } as const;

/** Pages before the first of any tree. */
export const META_PAGES = 2;
export const PAGE_SIZE_MIN = 256;
export const PAGE_SIZE_MAX = 65_536;

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
/** The root of an empty tree. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** Flags of a database: its keys are integers, which only the free database's are. */
export const TREE_FLAG = { none: 0, integerKeys: 8 } as const;

/** A tree of pages, and how many it says it has. */
export interface TreeInfo {
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** Undefined where the tree is empty. */
  readonly root: number | undefined;
}

export interface Meta {
  /** Bytes of address space that LMDB had for the file; it takes no more, unless the file needs it. */
  readonly mapSize: number;
  readonly pageSize: number;
  readonly free: TreeInfo;
  readonly main: TreeInfo;
  /** Highest number of a page in use; the file may be shorter where the last ones are free. */
  readonly lastPage: number;
  readonly transaction: number;
}

/** A page number or a count; one beyond 2^53 is none, and stays too large when it is rounded. */
export function readU64(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset + 4) * 2 ** 32 + bytes.readUInt32LE(offset);
}

export function readTreeInfo(bytes: Buffer, offset: number): TreeInfo {
  return {
    flags: bytes.readUInt16LE(offset + 4),
    depth: bytes.readUInt16LE(offset + 6),
    branchPages: readU64(bytes, offset + 8),
    leafPages: readU64(bytes, offset + 16),
    overflowPages: readU64(bytes, offset + 24),
    entries: readU64(bytes, offset + 32),
    root: bytes.readBigUInt64LE(offset + 40) === NO_PAGE ? undefined : readU64(bytes, offset + 40),
  };
}

/** The meta of a page's first bytes, or undefined where it is none. */
export function readMeta(page: Buffer): Meta | undefined {
  const meta = page.subarray(PAGE_HEADER_BYTES);
  if (meta.length < META_BYTES || (page.readUInt16LE(18) & PAGE_FLAG.meta) === 0) return undefined;
  // The upper half of the version is LMDB's own.
  if (meta.readUInt32LE(0) !== MAGIC || meta.readUInt16LE(4) !== DATA_VERSION) return undefined;
  return {
    mapSize: readU64(meta, 16),
    pageSize: meta.readUInt32LE(24),
    free: readTreeInfo(meta, 24),
    main: readTreeInfo(meta, 72),
    lastPage: readU64(meta, 120),
    transaction: readU64(meta, 128),
  };
}
