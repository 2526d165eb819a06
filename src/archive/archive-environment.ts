import { type Database, open, type RootDatabase } from "lmdb";

/** The file that holds everything, within the archive's directory. */
export const ARCHIVE_FILE = "data.mdb";

type Records = Database<Buffer, Buffer>;

interface TreeStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

const OPTIONS = {
  noSubdir: false,
  maxDbs: 16,
  permissionsMode: 0o600,
  overlappingSync: false,
  // All of a transaction is queued before it begins, as its thread may be terminated.
  batchStartThreshold: Number.MAX_SAFE_INTEGER,
};

/**
 * The open file of an archive, by kind of record. All threads of a process share one environment, which
 * is the writer's: a reader opens it after the writer has.
 */
export class ArchiveEnvironment {
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly markets: Records;
  readonly epochs: Records;
  readonly blocks: Records;
  readonly batches: Records;
  readonly minutes: Records;
  readonly hours: Records;
  readonly gaps: Records;
  readonly places: Records;
  readonly state: Records;

  /** Opens the file of a directory, or makes it. Throws what LMDB throws. */
  constructor(dir: string) {
    this.#root = open<Buffer, Buffer>(dir, OPTIONS);
    this.markets = this.#table("markets");
    this.epochs = this.#table("epochs");
    this.blocks = this.#table("blocks");
    this.batches = this.#table("batches");
    this.minutes = this.#table("candles-1m");
    this.hours = this.#table("candles-1h");
    this.gaps = this.#table("gaps");
    this.places = this.#table("places");
    this.state = this.#table("state");
  }

  /** Bytes of the pages that hold records; what is free in the file is not counted. */
  get usedBytes(): number {
    const tables = [this.blocks, this.batches, this.minutes, this.hours, this.markets, this.gaps];
    return tables.reduce((sum, table) => {
      const stats = table.getStats() as unknown as TreeStats;
      const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
      return sum + pages * stats.pageSize;
    }, 0);
  }

  /** Ends the state that reads have had, so that the writer may use its pages again. */
  endReads(): void {
    this.#root.resetReadTxn();
  }

  clearDeadReaders(): void {
    this.#root.readerCheck();
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  #table(name: string): Records {
    return this.#root.openDB<Buffer, Buffer>(name, { encoding: "binary", keyEncoding: "binary" });
  }
}
