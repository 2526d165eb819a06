import { setTimeout as sleep } from "node:timers/promises";
import { type CounterSection, count, counted } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import { nowMicros } from "../shared/clock.js";
import { CodedError } from "../shared/coded-error.js";
import type { Logger } from "../shared/log.js";
import type { RelayTarget } from "../shared/relay-url.js";
import { type Entry, EntryError, openEntry } from "./entry-form.js";
import { openRedis, type RedisLink, type RedisReply } from "./redis-link.js";
import { batchOf, idBehind, type RelayKeys } from "./relay-keys.js";
import { loadSnapshot, type RelaySnapshot } from "./relay-snapshot.js";
import type { RelayedMarkets } from "./relayed-markets.js";
import { fetchTrades } from "./trade-asks.js";

/** Entries of one read, and how long it waits for the first, in ms. */
const ENTRIES_PER_READ = 32;
const BLOCK_MS = 500;
/** Longer without a sign of the origin is told, in ms; it is looked at so often. */
const SILENCE_MS_MAX = 2500;
const LOOK_MS = 100;
/** Between two attempts to reach Redis, or two looks for a snapshot, in ms. */
const RETRY_MS = 100;
/** A stream that has nothing new for so many reads may have gone back, as Redis may after a failure. */
const EMPTY_READS_MAX = 3;

interface EdgeRelayOptions {
  readonly target: RelayTarget;
  readonly keys: RelayKeys;
  readonly markets: RelayedMarkets;
  readonly counters: CounterSection;
  /** Markets are listed, and data may flow, of an epoch. */
  readonly ready: (epoch: string) => void;
  /** Takes why there is nothing new, or undefined when there is. */
  readonly health: (reason: string | undefined) => void;
  readonly log: Logger;
}

/** The origin's epoch is another one: nothing more can be written into this memory. */
export class EpochEndedError extends CodedError<"EPOCH_ENDED"> {
  constructor() {
    super("EPOCH_ENDED", "relay: the origin has begun another epoch");
  }
}

/**
 * Reads the relay's stream into this node's memory, for one epoch of the origin: it begins with the snapshot and
 * goes on behind it, or with the entry with which the epoch begins, where a former life has read up to there.
 *
 * A gap is seen by the numbers of batches, or is told by the origin. Then trades that were missed come first, out of
 * the origin's archive, and where they are beyond reach that is said; the snapshot has the rest, and the stream goes on
 * behind it.
 *
 * Invariants: entries are applied in the order of their numbers, each once; none of an origin whose number is lower
 * than the highest seen; what is written is of one epoch.
 */
export class EdgeRelay {
  readonly #options: EdgeRelayOptions;
  readonly #counters: CounterSection;
  /** The last entry that was told by a former life, which the counters outlive; 0 for none. */
  #toldBefore: number;
  #epoch: string | undefined;
  /** The last entry that has been applied. */
  #last = 0;
  /** That of the snapshot that it began with: up to there entries are read for trades that are due alone. */
  #begunWith = 0;
  #fence: number;
  #signAt = performance.now();
  #connected = false;
  #ready = false;
  /** The last entry has said that all of the epoch was told. */
  #ended = false;

  constructor(options: EdgeRelayOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#toldBefore = counted(options.counters, RELAY.batch);
    this.#fence = counted(options.counters, RELAY.fence);
  }

  /** Follows the origin until the signal aborts; rejects with EpochEndedError when its epoch has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { target, log } = this.#options;
    const look = setInterval(() => this.#tellHealth(), LOOK_MS);
    let connectedBefore = false;
    let told = false;
    let link: RedisLink | undefined;
    signal.addEventListener("abort", () => link?.close(), { once: true });
    try {
      while (!signal.aborted) {
        try {
          link = await openRedis(target);
          if (connectedBefore) count(this.#counters, RELAY.reconnects);
          connectedBefore = this.#connected = true;
          this.#counters[RELAY.connected] = 1;
          if (told) log.info("the relay's Redis is there again");
          told = false;
          if (this.#epoch === undefined) await this.#begin(link, signal);
          await this.#follow(link, signal);
        } catch (error) {
          if (signal.aborted) break;
          if (error instanceof EpochEndedError || !(error instanceof CodedError)) throw error;
          if (!told) log.warn({ err: error }, "the relay cannot be read");
          told = true;
          await sleep(RETRY_MS);
        } finally {
          this.#connected = false;
          this.#counters[RELAY.connected] = 0;
          link?.close();
        }
      }
    } finally {
      clearInterval(look);
    }
  }

  // --- Beginning --------------------------------------------------------------------------------

  async #begin(link: RedisLink, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#beginsBehind(link)) return;
      const snapshot = await loadSnapshot(link, this.#options.keys);
      if (snapshot !== undefined && this.#isCurrent(snapshot)) return this.#beginWith(snapshot);
      await sleep(RETRY_MS);
    }
  }

  /** Whether the epoch begins with the entry behind the last one that a former life has applied. */
  async #beginsBehind(link: RedisLink): Promise<boolean> {
    if (this.#toldBefore === 0) return false;
    const { entries } = await this.#read(link, this.#toldBefore, 1, undefined);
    const [entry] = entries;
    if (entry?.batch !== this.#toldBefore + 1 || !entry.begins || entry.fence < this.#fence)
      return false;
    this.#epoch = entry.epoch;
    this.#begunWith = this.#last = this.#toldBefore;
    this.#apply(entry);
    this.#options.markets.publish();
    this.#becomeReady();
    return true;
  }

  #beginWith({ head, markets }: RelaySnapshot): void {
    const { markets: ours, log } = this.#options;
    this.#epoch = head.epoch;
    this.#fence = Math.max(this.#fence, head.fence);
    // Whom a former life has told the last ones is due those since.
    if (this.#toldBefore > 0) this.#losePublications();
    ours.list(markets.filter(({ epoch }) => epoch === head.epoch));
    // Of what was packed in the same microsecond nobody knows on which side it is.
    ours.completeFrom(Math.max(head.ts, ours.latestTs) + 1);
    ours.publish();
    count(this.#counters, RELAY.snapshots);
    const goesOn = this.#toldBefore > 0 && this.#toldBefore < head.batch;
    this.#begunWith = head.batch;
    this.#last = goesOn ? this.#toldBefore : head.batch;
    log.info({ epoch: head.epoch, batch: head.batch, markets: markets.length }, "relay begins");
    this.#becomeReady();
  }

  /** Not before all is here again that a former life has told, so that nothing goes back. */
  #becomeReady(regardless = false): void {
    if (this.#ready || this.#epoch === undefined) return;
    if (this.#last < this.#toldBefore && !regardless) return;
    this.#ready = true;
    this.#options.ready(this.#epoch);
  }

  /** Whether a snapshot is of no origin whose time is over. */
  #isCurrent({ head }: RelaySnapshot): boolean {
    return head.fence >= this.#fence;
  }

  // --- Following --------------------------------------------------------------------------------

  async #follow(link: RedisLink, signal: AbortSignal): Promise<void> {
    let emptyReads = 0;
    // At or behind the last one applied: whatever is not taken must not stand in the way of what follows.
    let readTo = this.#last;
    while (!signal.aborted) {
      const before = this.#last;
      const { entries, to } = await this.#read(link, readTo, ENTRIES_PER_READ, BLOCK_MS);
      emptyReads = to === readTo ? emptyReads + 1 : 0;
      readTo = to;
      if (emptyReads >= EMPTY_READS_MAX) {
        emptyReads = 0;
        await this.#lookWhetherItWentBack(link);
        readTo = this.#last;
      }
      for (const entry of entries) {
        if (entry.fence < this.#fence) count(this.#counters, RELAY.refused);
        else if (entry.epoch !== this.#epoch) await this.#otherEpoch(link, entry);
        else if (entry.gap) {
          this.#loseUntold();
          await this.#repair(link, entry.batch, signal);
        } else if (entry.batch === this.#last + 1) this.#apply(entry);
        // Those up to the snapshot's, behind a gap, are in it.
        else if (entry.batch > this.#last) {
          this.#loseUntold();
          await this.#repair(link, entry.batch - 1, signal);
          if (entry.batch === this.#last + 1) this.#apply(entry);
        }
      }
      // Others take the numbers of those that Redis has lost.
      readTo = this.#last < before ? this.#last : Math.max(readTo, this.#last);
      if (entries.length > 0) this.#options.markets.publish();
      // Where nothing comes, Redis has lost what was told.
      this.#becomeReady(entries.length === 0);
    }
  }

  #losePublications(): void {
    const { publications } = this.#options.markets;
    publications.lost();
    publications.publish();
  }

  /** Behind a former life nobody knows what a gap had. */
  #loseUntold(): void {
    if (this.#last < this.#begunWith) this.#options.markets.loseTrades();
  }

  #apply(entry: Entry): void {
    const { markets } = this.#options;
    this.#fence = Math.max(this.#fence, entry.fence);
    this.#last = entry.batch;
    this.#ended = entry.ends;
    markets.apply(entry);
    this.#noteApplied(entry);
  }

  #noteApplied({ batch, ts }: Pick<Entry, "batch" | "ts">): void {
    this.#signAt = performance.now();
    this.#counters[RELAY.fence] = this.#fence;
    this.#counters[RELAY.batch] = Math.max(batch, this.#toldBefore);
    this.#counters[RELAY.lagS] = Math.max(0, nowMicros() - ts) / 1e6;
    count(this.#counters, RELAY.entries);
  }

  /** What a former life has not told of an epoch before ours is lost with it. */
  async #otherEpoch(link: RedisLink, entry: Entry): Promise<void> {
    if (entry.batch > this.#begunWith) return this.#endEpoch(link, entry.epoch);
    this.#last = Math.max(this.#last, entry.batch);
    if (entry.batch > this.#toldBefore && entry.records > 0) this.#options.markets.loseTrades();
  }

  /** The entries behind a place, and up to where it has read; with `blockMs` it waits for the first. */
  async #read(
    link: RedisLink,
    behind: number,
    most: number,
    blockMs: number | undefined,
  ): Promise<{ readonly entries: readonly Entry[]; readonly to: number }> {
    const { stream } = this.#options.keys;
    const block = blockMs === undefined ? [] : ["BLOCK", String(blockMs)];
    const command = ["XREAD", "COUNT", String(most), ...block, "STREAMS", stream, idBehind(behind)];
    const reply = await link.send(command, (blockMs ?? 0) + SILENCE_MS_MAX - BLOCK_MS);
    const read = entriesOf(reply);
    const entries = read.flatMap(([, [, bytes]]) => {
      count(this.#counters, RELAY.bytes, bytes.length);
      return this.#open(bytes);
    });
    const [id] = read.at(-1) ?? [];
    return { entries, to: id === undefined ? behind : batchOf(id) };
  }

  /** One that is damaged is missing. */
  #open(bytes: Buffer): readonly Entry[] {
    try {
      return [openEntry(bytes)];
    } catch (error) {
      if (!(error instanceof EntryError) || error.code !== "ENTRY_DAMAGED") throw error;
      count(this.#counters, RELAY.refused);
      this.#options.log.error({ err: error }, "an entry of the relay is damaged");
      return [];
    }
  }

  /** The newest entry is one that we have passed: Redis has lost some, and others take their numbers. */
  async #lookWhetherItWentBack(link: RedisLink): Promise<void> {
    const { stream } = this.#options.keys;
    const newest = (await link.send([
      "XREVRANGE",
      stream,
      "+",
      "-",
      "COUNT",
      "1",
    ])) as readonly (readonly Buffer[])[];
    const [id] = newest[0] ?? [];
    if (id === undefined || batchOf(id) >= this.#last) return;
    const snapshot = await loadSnapshot(link, this.#options.keys);
    if (snapshot === undefined || !this.#isCurrent(snapshot)) return;
    if (snapshot.head.batch < this.#last) await this.#takeOver(link, snapshot);
  }

  // --- Repairing --------------------------------------------------------------------------------

  /** Takes what is missing up to a batch, or further, and goes on behind that. */
  async #repair(link: RedisLink, batch: number, signal: AbortSignal): Promise<void> {
    count(this.#counters, RELAY.gaps);
    this.#options.log.warn({ last: this.#last, batch }, "entries of the relay are missing");
    while (!signal.aborted) {
      const snapshot = await loadSnapshot(link, this.#options.keys);
      if (snapshot !== undefined && this.#isCurrent(snapshot) && snapshot.head.batch >= batch)
        return this.#takeOver(link, snapshot);
      await sleep(RETRY_MS);
    }
  }

  async #takeOver(link: RedisLink, { head, markets: fields }: RelaySnapshot): Promise<void> {
    if (head.epoch !== this.#epoch) return this.#endEpoch(link, head.epoch);
    const { markets } = this.#options;
    this.#losePublications();
    const ofEpoch = fields.filter(({ epoch }) => epoch === head.epoch);
    await this.#fetch(link, head.epoch, markets.missingTrades(markets.listNew(ofEpoch)));
    for (const field of ofEpoch) markets.apply(field);
    markets.completeFrom(Math.max(head.ts, markets.latestTs) + 1);
    markets.publish();
    count(this.#counters, RELAY.snapshots);
    this.#fence = Math.max(this.#fence, head.fence);
    // Numbers that Redis has lost are given to others.
    if (head.batch < this.#last) this.#toldBefore = Math.min(this.#toldBefore, head.batch);
    this.#last = head.batch;
    this.#noteApplied(head);
  }

  async #fetch(
    link: RedisLink,
    epoch: string,
    missing: ReadonlyMap<number, number>,
  ): Promise<void> {
    if (missing.size === 0) return;
    const { markets } = this.#options;
    const complete = (): boolean =>
      [...missing].every(([slot, seq]) => markets.hasTrade(slot, seq));
    if (!(await this.#fetchUntil(link, epoch, complete))) markets.giveUpTrades(missing);
  }

  /**
   * An origin that was killed may have told more than it could relay: those who are connected here are due the trades of
   * that, or to hear that they are lost, before the next epoch.
   */
  async #endEpoch(link: RedisLink, next: string): Promise<never> {
    const { markets } = this.#options;
    if (!this.#ended) this.#losePublications();
    const isNext = (wholeOf: string | undefined): boolean => wholeOf === next;
    if (!this.#ended && !(await this.#fetchUntil(link, this.#epoch ?? "", isNext)))
      markets.loseTrades();
    markets.publish();
    throw new EpochEndedError();
  }

  async #fetchUntil(
    link: RedisLink,
    epoch: string,
    complete: (wholeOf: string | undefined) => boolean,
  ): Promise<boolean> {
    const { keys, markets, log } = this.#options;
    const wanted = {
      take: markets.fetchedTrade.bind(markets),
      complete,
      pageTaken: () => markets.publish(),
    };
    const from = markets.lastTradeTs || markets.begunAt;
    const fetched = await fetchTrades(link, keys, epoch, from, wanted);
    if (!fetched) log.error("trades of the origin were missed, and cannot be had any more");
    return fetched;
  }

  // --- Health -----------------------------------------------------------------------------------

  #tellHealth(): void {
    const silentMs = performance.now() - this.#signAt;
    if (silentMs <= SILENCE_MS_MAX) return this.#options.health(undefined);
    this.#options.health(
      this.#connected
        ? "nothing has come of the origin for some seconds; what is told is the last state"
        : "the relay's Redis cannot be reached; what is told is the last state",
    );
  }
}

type StreamEntry = readonly [id: Buffer, fields: readonly [name: Buffer, bytes: Buffer]];

/** The entries in the answer to XREAD of one stream. */
function entriesOf(reply: RedisReply): readonly StreamEntry[] {
  if (reply === null) return [];
  const [[, entries = []] = []] = reply as unknown as readonly [Buffer?, StreamEntry[]?][];
  return entries;
}
