import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32c } from "@node-rs/crc32";
import { type CounterSection, count } from "../../counters/counters.js";
import { RELAY } from "../../counters/relay-counters.js";
import type { Logger } from "../../shared/log.js";
import { type RedisLink, RedisLinkError } from "../redis-link.js";
import { idBehind } from "../relay-keys.js";
import { type JournalEntry, unpackJournalEntry } from "./journal-entry.js";
import type { JournalKeys } from "./journal-keys.js";
import {
  type JournalHead,
  type StandbySaid,
  unpackPiece,
  type WantedPiece,
} from "./journal-words.js";
import { entriesOf } from "./origin-journal.js";
import { type Claim, objectionTo, readHead } from "./succession.js";

const RETRY_MS = 500;
/** How long one read waits for records, in ms, and how much longer for Redis. A standby is heard after each. */
const BLOCK_MS = 500;
const PATIENCE_MS = 2000;
const RECORDS_PER_READ = 64;
const HEAD_INTERVAL_MS = 1000;
/** What standbys said is kept by Redis as long as it takes an exchange to read it. */
const SAID_MAX = 1000;
/** How long a piece of a copy is waited for, in seconds; then it is asked for again. */
const PIECE_S = 5;
const PIECE_ATTEMPTS = 12;
const WAIT_MS = 250;
/** An exchange that lives has said where its journal is within this time from when it has heard of a standby. */
const UNSAID_MS_MAX = 3000;

/** A store that records are added to, as they are in the journal of another one. */
export interface StandbyStore extends Claim {
  /** The timeline of its last record. */
  readonly timeline: string;
  /** Resolves when a record, the next one, is on disk. */
  take(entry: JournalEntry): Promise<void>;
  /** Begins to receive a copy that takes the place of all that it has. */
  receive(): Promise<ReceivedCopy>;
}

export interface ReceivedCopy {
  write(bytes: Buffer): Promise<void>;
  /** The copy is whole; resolves when the store is that. Rejects where it is not whole. */
  complete(timelines: JournalHead["timelines"]): Promise<void>;
  abandon(): Promise<void>;
}

interface StandbyJournalOptions {
  readonly open: () => Promise<RedisLink>;
  readonly keys: JournalKeys;
  readonly store: StandbyStore;
  readonly counters: CounterSection;
  /** Takes why this standby does not have all that the exchange has, or undefined when it has. */
  readonly health: (reason: string | undefined) => void;
  /** Takes whether the exchange has said that this standby may take over. */
  readonly heir: (isHeir: boolean) => void;
  readonly log: Logger;
}

const BEGINS = "the standby has no copy of the exchange's store yet";
const COPIES = "the standby takes a copy of the exchange's store";

/** The store lacks records that are not to be had, or has others than the exchange. */
class ApartError extends Error {}

/**
 * Keeps the store of a standby like that of the exchange: a copy to begin with, and behind it each record of the
 * exchange's journal, in order and without a gap. What is on disk is said to the exchange.
 *
 * Invariant: a record is taken only behind the one with the number and the timeline that the exchange has before it. So
 * what is on this disk is always the beginning of one exchange's history.
 */
export class StandbyJournal {
  readonly #options: StandbyJournalOptions;
  /** Number of the exchange's last record, as far as it is known. */
  #theirLast = 0;
  #copied = false;
  /** The exchange tells of nothing that a standby does not have. */
  #isStrict = false;

  constructor(options: StandbyJournalOptions) {
    this.#options = options;
  }

  /** Follows until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { open, health, log } = this.#options;
    let link: RedisLink | undefined;
    let told: string | undefined;
    health(BEGINS);
    signal.addEventListener("abort", () => link?.close(), { once: true });
    while (!signal.aborted) {
      try {
        link = await open();
        await this.#follow(link, signal);
      } catch (error) {
        if (signal.aborted) break;
        const reason = `the standby does not follow the exchange: ${(error as Error).message}`;
        if (told !== reason) log.warn({ err: error }, "the standby does not follow the exchange");
        told = reason;
        health(reason);
        await sleep(RETRY_MS);
      } finally {
        link?.close();
      }
    }
  }

  /** Takes what is still in the stream: nobody adds to it any more. Rejects where that cannot be. */
  async catchUp(): Promise<void> {
    const link = await this.#options.open();
    try {
      while (await this.#read(link, 1));
    } finally {
      link.close();
    }
  }

  async #follow(link: RedisLink, signal: AbortSignal): Promise<void> {
    let headAt = Number.NEGATIVE_INFINITY;
    let unsaidSince: number | undefined;
    while (!signal.aborted) {
      if (performance.now() - headAt >= HEAD_INTERVAL_MS) {
        // Heard of first, as an exchange that knows of no standby says nothing.
        await this.#say(link);
        const head = await readHead(link, this.#options.keys);
        if (head === undefined) {
          unsaidSince ??= performance.now();
          this.#unsaid(performance.now() - unsaidSince);
          await sleep(WAIT_MS);
          continue;
        }
        unsaidSince = undefined;
        headAt = performance.now();
        this.#theirLast = head.last;
        this.#isStrict = head.ack === "standby";
        this.#options.heir(objectionTo(this.#options.store, head) === undefined);
        if (this.#isApartFrom(head)) await this.#copy(link, signal);
      }
      try {
        if (await this.#read(link)) await this.#say(link);
      } catch (error) {
        if (!(error instanceof ApartError)) throw error;
        this.#options.log.warn(error.message);
        await this.#copy(link, signal);
      }
      this.#note();
    }
  }

  /**
   * Redis does not know of a journal. Where it has forgotten who has all that was told, the exchange has to say it again;
   * but one that was killed and starts again, after a Redis that had lost everything, is that exchange itself.
   */
  #unsaid(forMs: number): void {
    if (this.#isStrict) this.#options.heir(false);
    else if (forMs > UNSAID_MS_MAX && this.#options.store.last > 0) this.#options.heir(true);
  }

  #isApartFrom({ timelines, from }: JournalHead): boolean {
    const { store } = this.#options;
    return !store.isBeginningOf(timelines) || store.last + 1 < from;
  }

  /** Takes the next records, if there are any; returns whether there were. */
  async #read(link: RedisLink, blockMs = BLOCK_MS): Promise<boolean> {
    const { keys, store, counters } = this.#options;
    const command = ["XREAD", "COUNT", String(RECORDS_PER_READ), "BLOCK", String(blockMs)];
    const behind = idBehind(store.last);
    const reply = await link.send(
      [...command, "STREAMS", keys.journal, behind],
      BLOCK_MS + PATIENCE_MS,
    );
    const entries = entriesOf(reply);
    for (const [id, [, bytes]] of entries) {
      const entry = unpackJournalEntry(bytes as Buffer);
      if (entry === undefined)
        throw new Error(`entry ${id} of the journal is not what was written`);
      const { number, timelineBefore } = entry;
      if (number !== store.last + 1)
        throw new ApartError(
          `record ${store.last + 1} is missing before ${number}; a copy is taken`,
        );
      if (timelineBefore !== store.timeline)
        throw new ApartError(`record ${store.last} is not that of the exchange; a copy is taken`);
      await store.take(entry);
      count(counters, RELAY.journalRecords);
      count(counters, RELAY.journalBytes, entry.payload.length);
    }
    return entries.length > 0;
  }

  #note(): void {
    const { store, counters, health } = this.#options;
    this.#theirLast = Math.max(this.#theirLast, store.last);
    counters[RELAY.journalLag] = this.#theirLast - store.last;
    health(undefined);
  }

  async #say(link: RedisLink, wants?: WantedPiece): Promise<void> {
    const { keys, store } = this.#options;
    const { id: standby, last, timeline } = store;
    const said: StandbySaid = { standby, last, timeline, ...(wants !== undefined && { wants }) };
    await link.send([
      "XADD",
      keys.acks,
      "MAXLEN",
      "~",
      String(SAID_MAX),
      "*",
      "e",
      JSON.stringify(said),
    ]);
  }

  // --- A copy -------------------------------------------------------------------------------------

  async #copy(link: RedisLink, signal: AbortSignal): Promise<void> {
    const { store, health, log, counters } = this.#options;
    health(COPIES);
    log.info({ last: store.last, again: this.#copied }, COPIES);
    const copy = randomUUID();
    const received = await store.receive();
    try {
      let timelines: JournalHead["timelines"] = [];
      for (let offset = 0, size = 1; offset < size; ) {
        const piece = await this.#piece(link, copy, offset, signal);
        if (piece.bytes.length === 0) throw new Error("a piece of the copy is empty");
        await received.write(piece.bytes);
        offset += piece.bytes.length;
        ({ size, timelines } = piece.head);
        count(counters, RELAY.copiedBytes, piece.bytes.length);
      }
      await received.complete(timelines);
    } catch (error) {
      await received.abandon();
      throw error;
    }
    this.#copied = true;
    log.info({ last: store.last }, "the standby has a copy of the exchange's store");
    await this.#say(link);
  }

  /** Asks for a piece until it is there. */
  async #piece(link: RedisLink, copy: string, offset: number, signal: AbortSignal) {
    for (let attempt = 0; attempt < PIECE_ATTEMPTS; ) {
      signal.throwIfAborted();
      const ask = randomUUID();
      await this.#say(link, { ask, copy, offset });
      const key = this.#options.keys.piece(ask);
      const reply = await link.send(["BLPOP", key, String(PIECE_S)], PIECE_S * 1000 + PATIENCE_MS);
      const packed = reply === null ? undefined : (reply as readonly Buffer[])[1];
      const piece = packed && unpackPiece(packed);
      const head = piece?.head;
      if (head?.type === "failed") throw new Error(head.reason);
      if (head?.type === "wait") await sleep(WAIT_MS);
      else if (head?.type === "piece" && crc32c(piece?.bytes as Buffer) === head.checksum)
        return { head, bytes: piece?.bytes as Buffer };
      else attempt++;
    }
    throw new RedisLinkError("REDIS_SILENT", "the exchange gives no copy");
  }
}
