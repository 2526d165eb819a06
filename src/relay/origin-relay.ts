import { setTimeout as sleep } from "node:timers/promises";
import { type CounterSection, count, counted } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import { nowMicros } from "../shared/clock.js";
import type { Logger } from "../shared/log.js";
import type { RelayTarget } from "../shared/relay-url.js";
import { EntryWriter } from "./entry-form.js";
import { ANSWER_MS_MAX, openRedis, type RedisLink, RedisSilence } from "./redis-link.js";
import { batchOf, type RelayKeys } from "./relay-keys.js";
import { FencedOutError, RelayScripts } from "./relay-scripts.js";
import type { PackedHead, RingPacker } from "./ring-packer.js";

/** Shortest time between two entries, in ms. */
const ENTRY_INTERVAL_MS = 1;
/** An entry goes out at least this often, whether or not anything happens: by it edges know that the origin is there. */
const HEARTBEAT_MS = 500;
const SNAPSHOT_INTERVAL_MS = 1000;
/** What may be on its way to Redis without an answer; more waits in the rings. */
const IN_FLIGHT_MAX = 1024;
const IN_FLIGHT_BYTES_MAX = 8 * 1024 * 1024;
/** Between two attempts to reach Redis, in ms. */
const RETRY_MS = 250;
/** How often it is noted which entry was sent when, in ms, by which older ones are removed. */
const AGE_NOTE_MS = 100;
const AWAY = "the relay's Redis cannot be written; other nodes get nothing new";

interface OriginRelayOptions {
  readonly target: RelayTarget;
  readonly keys: RelayKeys;
  /** How long entries are kept, in ms. */
  readonly windowMs: number;
  readonly packer: RingPacker;
  readonly counters: CounterSection;
  /** This origin's number. */
  readonly fence: number;
  /** Takes why edges get nothing, or undefined when they do. */
  readonly health: (reason: string | undefined) => void;
  /** Another origin has taken over. */
  readonly fencedOut: () => void;
  readonly log: Logger;
}

/** An entry that Redis has not answered yet. */
interface InFlight {
  readonly batch: number;
  readonly entry: Buffer;
  sentAt: number;
}

/**
 * Appends what the packer has to the relay's stream, and once a second what has changed to its snapshot.
 *
 * Whatever Redis does, nobody waits for it but this: entries that are not answered are kept, within bounds, and
 * sent again on the next connection, which their ids make harmless; what else there is stays in the rings.
 *
 * Invariants: batch numbers go up by one, over connections too; an entry is packed only where there is room for
 * it among those in flight; after another origin has taken over nothing is written any more.
 */
export class OriginRelay {
  readonly #options: OriginRelayOptions;
  readonly #inFlight: InFlight[] = [];
  readonly #head = new EntryWriter();
  #inFlightBytes = 0;
  /** Of the next entry; undefined before the stream has been looked at. */
  #next: number | undefined;
  #epoch: string | undefined;
  /** The last entry that was packed was sent at; likewise the last snapshot. */
  #entryAt = Number.NEGATIVE_INFINITY;
  #snapshotAt = Number.NEGATIVE_INFINITY;
  /** The next snapshot is a whole one. */
  #whole = true;
  #snapshotUnderWay = false;
  /** It has been said that nothing more is told. */
  #ended = false;
  /** The next entry says that something is missing before it. */
  #gapDue = false;
  #fault: unknown;
  #answered: (() => void) | undefined;
  /** Which entry was the next one when, for the removal of old ones. */
  readonly #ages: { readonly at: number; readonly batch: number }[] = [];

  constructor(options: OriginRelayOptions) {
    this.#options = options;
  }

  /** Relays until the signal aborts, and then what is left, if Redis takes it at once. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { target, counters, health, fencedOut, log } = this.#options;
    let connectedBefore = false;
    let told = false;
    while (!signal.aborted) {
      let link: RedisLink | undefined;
      try {
        link = await openRedis(target);
        if (connectedBefore) count(counters, RELAY.reconnects);
        connectedBefore = true;
        const scripts = await this.#begin(link);
        counters[RELAY.connected] = 1;
        health(undefined);
        if (told) log.info("the relay's Redis is there again");
        told = false;
        await this.#relay(scripts, signal);
      } catch (error) {
        if (error instanceof FencedOutError) return fencedOut();
        if (!told) log.warn({ err: error }, AWAY);
        told = true;
        health(AWAY);
        await sleep(RETRY_MS);
      } finally {
        counters[RELAY.connected] = 0;
        link?.close();
      }
    }
  }

  /** Takes up a connection: what was not answered on the one before is sent again. */
  async #begin(link: RedisLink): Promise<RelayScripts> {
    const { keys, fence } = this.#options;
    this.#fault = undefined;
    this.#snapshotUnderWay = false;
    this.#whole = true;
    const scripts = await RelayScripts.load(link, keys, fence);
    this.#next ??= await this.#firstBatch(link);
    const [first] = this.#inFlight;
    this.#noteAge(performance.now());
    // Alone at first: a Redis that has no room for it would have less for all the others.
    if (first !== undefined)
      await scripts.append(first.batch, first.entry, this.#oldest, ANSWER_MS_MAX);
    for (const one of this.#inFlight) {
      one.sentAt = performance.now();
      this.#send(scripts, one);
    }
    return scripts;
  }

  /**
   * The first entry's number: the stream's next. Where there is no stream it is the time in ms, as there is at most
   * one entry in each, so that no number comes again when Redis has lost all.
   */
  async #firstBatch(link: RedisLink): Promise<number> {
    const { stream } = this.#options.keys;
    const newest = await link.send(["XREVRANGE", stream, "+", "-", "COUNT", "1"]);
    const [entry] = newest as readonly (readonly Buffer[])[];
    return entry === undefined ? Date.now() : batchOf(entry[0] as Buffer) + 1;
  }

  async #relay(scripts: RelayScripts, signal: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#fault !== undefined) throw this.#fault;
      const { packer } = this.#options;
      const doorbell = packer.memory && new Int32Array(packer.memory.doorbell);
      // Read before looking for work: a publication after the look then ends the wait at once.
      const rung = doorbell === undefined ? 0 : Atomics.load(doorbell, 0);
      const now = performance.now();
      const packed = this.#hasRoom && this.#pack(scripts, now);
      this.#writeSnapshot(scripts, now);
      this.#note(now);
      if (packed) await sleep(ENTRY_INTERVAL_MS);
      else if (signal.aborted && !this.#ended) this.#end(scripts, now);
      else if (signal.aborted && this.#inFlight.length === 0) return;
      else if (signal.aborted) await sleep(ENTRY_INTERVAL_MS);
      else await this.#wait(doorbell, rung);
    }
  }

  get #hasRoom(): boolean {
    return this.#inFlight.length < IN_FLIGHT_MAX && this.#inFlightBytes < IN_FLIGHT_BYTES_MAX;
  }

  /** Sends the next entry, if there is something to say; returns whether there was. */
  #pack(scripts: RelayScripts, now: number): boolean {
    const { packer } = this.#options;
    const packed =
      packer.pack() ??
      (now - this.#entryAt >= HEARTBEAT_MS || this.#gapDue ? packer.packNothing() : undefined);
    if (packed === undefined) return false;
    this.#sendPacked(scripts, packed, now);
    return true;
  }

  /** Nothing more will be told, and all that was is on its way. */
  #end(scripts: RelayScripts, now: number): void {
    this.#ended = true;
    const packed = this.#options.packer.packNothing(true);
    if (packed !== undefined) this.#sendPacked(scripts, packed, now);
  }

  #sendPacked(scripts: RelayScripts, packed: PackedHead, now: number): void {
    const { packer, counters, fence } = this.#options;
    this.#entryAt = now;
    const batch = this.#next as number;
    this.#next = batch + 1;
    const head = { ...packed, gap: packed.gap || this.#gapDue, fence, batch };
    this.#gapDue = false;
    const { records } = packer.writer;
    const one = { batch, entry: packer.writer.finish(head), sentAt: now };
    this.#inFlight.push(one);
    this.#inFlightBytes += one.entry.length;
    count(counters, RELAY.entries);
    count(counters, RELAY.records, records);
    count(counters, RELAY.bytes, one.entry.length);
    counters[RELAY.batch] = batch;
    this.#send(scripts, one);
    if (head.gap || this.#epoch !== packed.epoch) this.#needSnapshot(packed);
  }

  /** Edges that see an epoch begin, or a gap, need all of the snapshot, and soon. */
  #needSnapshot({ epoch }: PackedHead): void {
    this.#epoch = epoch;
    this.#whole = true;
    this.#snapshotAt = Number.NEGATIVE_INFINITY;
  }

  /** Entries with lower numbers are older than the window; 0 where none is. */
  get #oldest(): number {
    const [age] = this.#ages;
    // Those of an origin before are within the window, for all that this one knows.
    const isOld = age !== undefined && age.at < performance.now() - this.#options.windowMs;
    return isOld ? age.batch : 0;
  }

  #send(scripts: RelayScripts, one: InFlight): void {
    scripts.append(one.batch, one.entry, this.#oldest, 0).then((appended) => {
      if (appended === "behind") return this.#renumber();
      if (this.#inFlight[0] !== one) return;
      this.#inFlight.shift();
      this.#inFlightBytes -= one.entry.length;
      this.#options.counters[RELAY.lagS] = (performance.now() - one.sentAt) / 1000;
      this.#answered?.();
    }, this.#failed);
  }

  /** The stream is ahead of this origin's numbers: what is in flight is lost, and goes on behind it with a gap. */
  #renumber(): void {
    if (this.#next === undefined) return;
    count(this.#options.counters, RELAY.gaps);
    this.#inFlight.length = this.#inFlightBytes = 0;
    this.#next = undefined;
    this.#gapDue = true;
    this.#failed(new Error("relay: the stream is ahead of this origin's numbers"));
  }

  readonly #failed = (error: unknown): void => {
    this.#fault ??= error;
    this.#answered?.();
  };

  #writeSnapshot(scripts: RelayScripts, now: number): void {
    if (this.#snapshotUnderWay || now - this.#snapshotAt < SNAPSHOT_INTERVAL_MS) return;
    const epoch = this.#epoch;
    const batch = (this.#next as number) - 1;
    if (epoch === undefined || epoch !== this.#options.packer.memory?.epoch) return;
    const whole = this.#whole;
    const { packer, fence } = this.#options;
    const head = this.#head;
    head.begin(nowMicros());
    const headBytes = head.finish({ epoch, fence, batch, gap: false, begins: false });
    const markets = packer.snapshot(whole, fence, batch);
    this.#snapshotAt = now;
    this.#whole = false;
    this.#snapshotUnderWay = true;
    scripts.snapshot(whole, epoch, headBytes, markets).then((written) => {
      this.#snapshotUnderWay = false;
      count(this.#options.counters, RELAY.snapshots);
      if (written) return;
      this.#whole = true;
      this.#snapshotAt = Number.NEGATIVE_INFINITY;
    }, this.#failed);
  }

  /** Notes how much waits, and for how long. */
  #note(now: number): void {
    const { counters, packer } = this.#options;
    counters[RELAY.backlog] = packer.backlog;
    const [oldest] = this.#inFlight;
    if (oldest !== undefined && now - oldest.sentAt > ANSWER_MS_MAX)
      throw new RedisSilence(ANSWER_MS_MAX);
    this.#noteAge(now);
  }

  /** Notes how old entries are. */
  #noteAge(now: number): void {
    const { counters, windowMs } = this.#options;
    if (now - (this.#ages.at(-1)?.at ?? Number.NEGATIVE_INFINITY) < AGE_NOTE_MS) return;
    this.#ages.push({ at: now, batch: this.#next ?? counted(counters, RELAY.batch) });
    // The first one that is left is the first within the window.
    while ((this.#ages[1]?.at ?? now) < now - windowMs) this.#ages.shift();
  }

  /** Until there is something to read, to send or to answer for. */
  async #wait(doorbell: Int32Array | undefined, rung: number): Promise<void> {
    if (!this.#hasRoom) {
      const answered = new Promise<void>((resolve) => {
        this.#answered = resolve;
      });
      await Promise.race([answered, sleep(RETRY_MS)]);
      this.#answered = undefined;
      return;
    }
    if (doorbell === undefined) {
      await sleep(RETRY_MS / 10);
      return;
    }
    const wait = Atomics.waitAsync(doorbell, 0, rung, HEARTBEAT_MS / 2);
    if (wait.async) await wait.value;
  }
}
