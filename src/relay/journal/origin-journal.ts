import { setTimeout as sleep } from "node:timers/promises";
import { type CounterSection, count } from "../../counters/counters.js";
import type { JournalMarks } from "../../counters/journal-marks.js";
import { RELAY } from "../../counters/relay-counters.js";
import type { Logger } from "../../shared/log.js";
import type { RedisLink, RedisReply } from "../redis-link.js";
import { FencedOutError } from "../relay-scripts.js";
import { packJournalEntry, unpackJournalEntry } from "./journal-entry.js";
import type { JournalKeys } from "./journal-keys.js";
import { JournalScripts } from "./journal-scripts.js";
import { type JournalHead, parseSaid, type RelayAck, type WantedPiece } from "./journal-words.js";
import { Standbys } from "./standbys.js";
import { readHead } from "./succession.js";

/** Payloads that are on their way to Redis at a time, in bytes. */
const SENT_BYTES = 256 * 1024;
/** How often it is looked whether there is anything to do but records, in ms. */
const LOOK_MS = 100;
const HEAD_INTERVAL_MS = 1000;
const RETRY_MS = 250;
/** How long one read waits for standbys, in ms, and how much longer for Redis. */
const BLOCK_MS = 1000;
const PATIENCE_MS = 2000;
const SAID_PER_READ = 64;

/** The exchange's journal on its disk. */
interface JournalSource {
  /** Takes a name that no other data directory has. */
  readonly id: string;
  /** Reads again who wrote which records. */
  refresh(): Promise<void>;
  readonly timelines: JournalHead["timelines"];
  timelineOf(number: number): string;
  /** Reads records from one on; undefined where it is there no more. */
  follow(next: number): Promise<FollowedJournal | undefined>;
}

interface FollowedJournal {
  readonly next: number;
  /** Rejects where records have been removed meanwhile. */
  read(
    last: number,
    bytesMax: number,
  ): Promise<readonly { readonly number: number; readonly payload: Buffer }[]>;
  close(): Promise<void>;
}

interface OriginJournalOptions {
  readonly open: () => Promise<RedisLink>;
  readonly keys: JournalKeys;
  readonly source: JournalSource;
  readonly marks: JournalMarks;
  readonly ack: RelayAck;
  /** Of records that may be in Redis, with what the stream costs. */
  readonly maxBytes: number;
  /** The number that this origin has been given; undefined before. */
  readonly fence: () => number | undefined;
  /** A standby wants a piece of a copy. */
  readonly wants: (standby: string, wanted: WantedPiece) => void;
  readonly counters: CounterSection;
  readonly log: Logger;
}

/** Places in the stream that are remembered, about. */
const PASSED_MAX = 1000;
/** Bytes that an entry takes in Redis beside its payload, about. */
const ENTRY_BYTES = 64;

/**
 * Gives an exchange's journal to its standbys: each record that is on the disk goes to a stream, read from the disk by
 * this thread, so that Redis may be slow or away without anything being kept for it in memory; and what standbys have
 * on theirs is told to the exchange.
 *
 * Only what is on the exchange's own disk is relayed. So no standby has a record that the exchange lacks, and that one
 * goes on where it was after a restart.
 *
 * Invariants: entries are appended in the order of their numbers, without gaps; what the stream has is of the present
 * history. While no standby has been heard for a minute nothing is relayed.
 */
export class OriginJournal {
  readonly #options: OriginJournalOptions;
  readonly #standbys: Standbys;
  #followed: FollowedJournal | undefined;
  /** The timelines begun when the source was last read. */
  #timelines = 0;
  /** Number of the first record in the stream. */
  #from = 1;
  /** A standby has been heard of in this history, also by exchanges before. */
  #followedBefore = false;
  #headAt = Number.NEGATIVE_INFINITY;
  /** Which number was the next one at how many bytes, for the removal of old ones. */
  readonly #passed: { readonly number: number; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(options: OriginJournalOptions) {
    this.#options = options;
    const { source, marks, ack } = options;
    this.#standbys = new Standbys({
      timelineOf: (number) => source.timelineOf(number),
      stored: () => marks.stored,
      strict: ack === "standby",
    });
  }

  /** Relays until the signal aborts, or another origin has taken over. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const hearing = this.#hear(signal);
    let told = false;
    while (!signal.aborted) {
      let link: RedisLink | undefined;
      try {
        const fence = this.#options.fence();
        if (fence !== undefined && (await this.#isDue())) {
          link = await this.#options.open();
          const scripts = await JournalScripts.load(link, this.#options.keys, fence);
          await this.#begin(link, scripts);
          told = false;
          await this.#relay(scripts, signal);
        }
      } catch (error) {
        if (error instanceof FencedOutError) break;
        if (!told) this.#options.log.warn({ err: error }, "the journal does not go to standbys");
        told = true;
      } finally {
        link?.close();
        await this.#followed?.close().catch(() => {});
        this.#followed = undefined;
      }
      await sleep(RETRY_MS);
    }
    await hearing;
  }

  /** Whether there is an exchange, and a standby for it. */
  async #isDue(): Promise<boolean> {
    const { marks, source } = this.#options;
    if (marks.timelines === 0) return false;
    if (this.#timelines !== marks.timelines) {
      const { timelines } = marks;
      await source.refresh();
      this.#timelines = timelines;
    }
    return this.#standbys.isAnybodyThere(performance.now());
  }

  /** Finds out where to go on: behind what the stream has, if that is of this history, and still on the disk. */
  async #begin(link: RedisLink, scripts: JournalScripts): Promise<void> {
    const { keys, source, marks } = this.#options;
    const newest = entryOf(await link.send(["XREVRANGE", keys.journal, "+", "-", "COUNT", "1"]));
    const oldest = entryOf(await link.send(["XRANGE", keys.journal, "-", "+", "COUNT", "1"]));
    const { stored } = marks;
    this.#passed.length = this.#bytes = 0;
    this.#followedBefore = (await readHead(link, keys))?.followed === true;
    if (newest !== undefined && oldest !== undefined) {
      const { number, timeline } = newest;
      const isOurs = number <= stored && source.timelineOf(number) === timeline;
      this.#followed = isOurs ? await source.follow(number + 1) : undefined;
      this.#from = oldest.number;
      if (this.#followed !== undefined) return;
    }
    await scripts.removeAll();
    const { furthest } = this.#standbys;
    this.#followed = furthest < stored ? await source.follow(furthest + 1) : undefined;
    this.#followed ??= await source.follow(stored + 1);
    if (this.#followed === undefined) throw new Error("relay: the journal is not on the disk");
    this.#from = this.#followed.next;
  }

  async #relay(scripts: JournalScripts, signal: AbortSignal): Promise<void> {
    const { marks } = this.#options;
    const followed = this.#followed as FollowedJournal;
    for (;;) {
      // Read first: what is stored by now is of timelines that are known then.
      const { stored } = marks;
      if (!(await this.#isDue())) return;
      await this.#writeHead(scripts, stored);
      if (followed.next <= stored) await this.#send(scripts, followed, stored);
      else if (signal.aborted) return;
      else await marks.untilStoredBehind(stored, LOOK_MS);
    }
  }

  /** Appends what comes next, at once; it goes on when Redis has all of it. */
  async #send(scripts: JournalScripts, followed: FollowedJournal, stored: number): Promise<void> {
    const { source, counters } = this.#options;
    const records = await followed.read(stored, SENT_BYTES);
    const oldest = this.#oldest();
    const appended = records.map(({ number, payload }) => {
      const [timeline, timelineBefore] = [source.timelineOf(number), source.timelineOf(number - 1)];
      const entry = packJournalEntry({ number, timeline, timelineBefore, payload });
      this.#bytes += entry.length + ENTRY_BYTES;
      count(counters, RELAY.journalRecords);
      count(counters, RELAY.journalBytes, entry.length);
      return scripts.append(number, entry, oldest);
    });
    if (!(await Promise.all(appended)).every(Boolean))
      throw new Error("relay: the journal's stream is ahead of the journal");
    this.#from = Math.max(this.#from, oldest);
    // Fewer of them than there are records, however small those are.
    if (this.#bytes - (this.#passed.at(-2)?.bytes ?? 0) < this.#options.maxBytes / PASSED_MAX)
      this.#passed.pop();
    this.#passed.push({ number: followed.next, bytes: this.#bytes });
  }

  /** The oldest record that is kept: one that a standby lacks, as far as there is room. */
  #oldest(): number {
    const { maxBytes } = this.#options;
    const { passed } = this.#standbys;
    while (this.#passed.length > 0) {
      const [{ number, bytes }] = this.#passed as [{ number: number; bytes: number }];
      if (number > passed + 1 && this.#bytes - bytes <= maxBytes) return this.#from;
      this.#passed.shift();
      this.#from = number;
    }
    return this.#from;
  }

  /** Says where the journal is and who the heirs are: once a second, and where they are to be others. */
  async #writeHead(scripts: JournalScripts, last: number): Promise<void> {
    const now = performance.now();
    const { ack, source, counters, log } = this.#options;
    const heirs = this.#standbys.change(now);
    if (heirs === undefined && now - this.#headAt < HEAD_INTERVAL_MS) return;
    const head: JournalHead = {
      origin: source.id,
      ack,
      last,
      from: this.#from,
      timelines: [...source.timelines],
      heirs: [...(heirs ?? this.#standbys.heirs)],
      followed: this.#followedBefore || this.#standbys.count > 0,
    };
    await scripts.setHead(JSON.stringify(head));
    this.#headAt = now;
    this.#standbys.changed();
    if (heirs !== undefined) log.info({ heirs }, "standbys that may take over");
    counters[RELAY.heirs] = this.#standbys.heirs.length;
    counters[RELAY.standbys] = this.#standbys.count;
    this.#confirm();
  }

  #confirm(): void {
    const { marks } = this.#options;
    const { confirmed } = this.#standbys;
    if (confirmed === undefined) marks.confirmNothing();
    else marks.confirm(confirmed);
  }

  /** Hears standbys, on a connection of its own. */
  async #hear(signal: AbortSignal): Promise<void> {
    const { open, keys, wants } = this.#options;
    let link: RedisLink | undefined;
    signal.addEventListener("abort", () => link?.close(), { once: true });
    while (!signal.aborted) {
      try {
        link = await open();
        let last = "$";
        while (!signal.aborted) {
          const command = ["XREAD", "COUNT", String(SAID_PER_READ), "BLOCK", String(BLOCK_MS)];
          const reply = await link.send(
            [...command, "STREAMS", keys.acks, last],
            BLOCK_MS + PATIENCE_MS,
          );
          for (const [id, [, text]] of entriesOf(reply)) {
            last = String(id);
            const said = parseSaid(String(text));
            if (said === undefined || this.#timelines === 0) continue;
            this.#standbys.hear(said, performance.now());
            if (said.wants !== undefined) wants(said.standby, said.wants);
          }
          this.#confirm();
        }
      } catch {
        // The other connection says what is wrong with Redis.
        if (!signal.aborted) await sleep(RETRY_MS);
      } finally {
        link?.close();
      }
    }
  }
}

type Entries = readonly (readonly [id: Buffer, fields: readonly Buffer[]])[];

/** What XREAD has of one stream. */
export function entriesOf(reply: RedisReply): Entries {
  if (reply === null) return [];
  const [[, entries]] = reply as unknown as readonly [readonly [Buffer, Entries]];
  return entries;
}

/** The one record of a range; undefined where there is none, or it is not what was written. */
function entryOf(reply: RedisReply) {
  const [entry] = reply as unknown as Entries;
  return entry && unpackJournalEntry(entry[1][1] as Buffer);
}
