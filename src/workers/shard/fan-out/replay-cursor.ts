import type { HistoryReader } from "../../../ring/history-reader.js";
import { isBefore } from "../../../ring/layout.js";
import { StreamWalk } from "../../../ring/stream-walk.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import { type ArchivedTrades, nextPiece, type TradeArchiveSource } from "./archived-trades.js";
import type { HistoryWindow } from "./history-window.js";
import type { ReplayEncoder } from "./replay-encoder.js";
import { endOf, newestOf, type StreamName, type StreamPlace } from "./replay-streams.js";

/** A piece ends when it has so many bytes, or so many records were read for it. */
const PIECE_BYTES = 64 * 1024;
const PIECE_RECORDS_MAX = 4096;
/** Records that are looked at in a turn to find where a stream goes on. */
const WALK_RECORDS_MAX = 16_384;

/** How long an archive that cannot be read is waited for, in ms. */
const ARCHIVE_WAIT_MS_MAX = 5000;

/** A part of a replay and the cursor behind it. */
interface Piece {
  readonly batch: FrameBatch;
  readonly next: ReplayCursor;
}

/** A stream of a piece that is being made: its next record, undefined where there is none before the head. */
interface Track {
  readonly stream: StreamName;
  at: number | undefined;
  /** What lies before it is told by this piece or a later one. */
  readonly end: number;
}

/** A place, and up to where its stream has been looked for. */
interface FoundPlace extends StreamPlace {
  readonly end: number;
}

/**
 * Where a replay of some streams of one ring stands; of trades with what comes out of the archive before. It
 * remembers positions, not messages, and never changes: a piece leads to the next one. All who stand at one cursor
 * share its piece out of the window; what comes out of the archive was asked for, and each has a cursor of its own.
 * A stream's records are found again by walking it back to where it goes on, then read forward in the ring's order.
 *
 * Invariant: everything of its streams before their places has been sent, nothing from there on.
 */
export class ReplayCursor {
  readonly window: HistoryWindow;
  readonly ring: "states" | "trades";
  readonly encoding: number;
  readonly places: readonly StreamPlace[];
  /** What lies before this position was asked for: its bytes are its client's to pay. */
  readonly askedUntil: number | undefined;
  /** What comes before the places, one after the other. */
  readonly archived: readonly ArchivedTrades[];
  /** Since when the archive cannot be read; ms of a monotonic clock. */
  #awaySince: number | undefined;
  /** Kept for those who stand here as well, while a turn lasts. */
  #piece: Piece | undefined;
  #walks: readonly StreamWalk[] | undefined;
  /** Where each place's stream ended when it was begun to look for it. */
  #ends: readonly number[] = [];

  constructor(
    window: HistoryWindow,
    ring: "states" | "trades",
    encoding: number,
    places: readonly StreamPlace[],
    askedUntil?: number,
    archived: readonly ArchivedTrades[] = [],
  ) {
    this.window = window;
    this.ring = ring;
    this.encoding = encoding;
    this.places = places;
    this.askedUntil = askedUntil;
    this.archived = archived;
  }

  /** Whether there is nothing left to replay, so that what comes is told by rounds. */
  get atHead(): boolean {
    const { mirror } = this.window;
    return (
      this.archived.length === 0 &&
      this.places.every((place) => place.position === endOf(mirror, place))
    );
  }

  /** Whether it stands before what was asked for ends. */
  get asked(): boolean {
    const until = this.askedUntil;
    if (this.archived.length > 0) return true;
    return until !== undefined && this.places.some(({ position }) => isBefore(position, until));
  }

  /**
   * The next piece out of the window; undefined while it is looked for where the streams go on, and "lost" where some of
   * what comes next has been overwritten. Asked between two rounds.
   */
  piece(encoder: ReplayEncoder): Piece | "lost" | undefined {
    if (this.#piece !== undefined) return this.#piece;
    const reader = this.window[this.ring];
    const found = this.#find(reader);
    if (found === "lost") return found;
    if (found === undefined) return undefined;
    reader.refresh();
    encoder.begin();
    const tracks = found.map((place) => ({
      stream: place,
      at: place.exact ? place.position : undefined,
      end: place.end,
    }));
    if (!this.#read(reader, encoder, tracks)) return "lost";
    const places = tracks.map(({ stream: { kind, marketId, terms }, at, end }) => ({
      kind,
      marketId,
      terms,
      position: at ?? end,
      exact: at !== undefined,
    }));
    const { window, ring, encoding, askedUntil } = this;
    const next = new ReplayCursor(window, ring, encoding, places, askedUntil);
    this.#piece = { batch: encoder.take(), next };
    return this.#piece;
  }

  /**
   * The next piece out of the archive, which may be empty where it is the last; "away" while the archive cannot be
   * read, and "lost" where some of what comes next is not in it any more.
   */
  archivedPiece(encoder: ReplayEncoder, archive: TradeArchiveSource): Piece | "lost" | "away" {
    const [part, ...parts] = this.archived as [ArchivedTrades, ...ArchivedTrades[]];
    const { window, ring, encoding, places, askedUntil } = this;
    let piece: ReturnType<typeof nextPiece>;
    try {
      piece = nextPiece(part, archive);
    } catch (error) {
      archive.noteFault(error);
      piece = "away";
    }
    if (piece === "lost") return piece;
    if (piece === "away") {
      this.#awaySince ??= performance.now();
      return performance.now() - this.#awaySince < ARCHIVE_WAIT_MS_MAX ? "away" : "lost";
    }
    encoder.begin();
    for (const trade of piece.trades) encoder.addArchived(trade, window.mirror.epoch, encoding);
    const rest = piece.rest === undefined ? parts : [piece.rest, ...parts];
    const next = new ReplayCursor(window, ring, encoding, places, askedUntil, rest);
    return { batch: encoder.take(), next };
  }

  /** Lets go of a piece that was kept for others. */
  forgetPiece(): void {
    this.#piece = undefined;
  }

  /** The places with the position of each stream's next record; not exact where there is none. */
  #find(reader: HistoryReader): readonly FoundPlace[] | "lost" | undefined {
    if (this.#walks === undefined) {
      const { mirror } = this.window;
      this.#ends = this.places.map((place) => endOf(mirror, place));
      this.#walks = this.places.map((place, index) =>
        this.#walkTo(reader, place, this.#ends[index] as number),
      );
    }
    let left = WALK_RECORDS_MAX;
    for (const walk of this.#walks) {
      left -= walk.step(left);
      if (walk.state === "lost") return "lost";
      if (walk.state === "going") return undefined;
    }
    const walks = this.#walks;
    // What has come since is looked for when they are caught up with this.
    this.#walks = undefined;
    return this.places.map((place, index) => {
      const end = this.#ends[index] as number;
      if (place.exact || (place.marketId === undefined && place.position !== end))
        return { ...place, exact: true, end };
      const { start } = walks[index] as StreamWalk;
      return { ...place, position: start ?? end, exact: start !== undefined, end };
    });
  }

  #walkTo(reader: HistoryReader, place: StreamPlace, end: number): StreamWalk {
    const known = place.exact || place.marketId === undefined || place.position === end;
    const newest = known ? undefined : newestOf(this.window.mirror, place);
    return new StreamWalk(reader, newest, end, { position: place.position });
  }

  /** Reads on while there is something and the piece has room; returns false where it has been overwritten. */
  #read(reader: HistoryReader, encoder: ReplayEncoder, tracks: readonly Track[]): boolean {
    const { mirror } = this.window;
    const all = tracks.find(({ stream }) => stream.marketId === undefined);
    const due = tracks.filter(isDue).sort(latestFirst);
    for (let read = 0; read < PIECE_RECORDS_MAX && encoder.bytes < PIECE_BYTES; read++) {
      const track = due.pop();
      if (track === undefined) return true;
      const { at, stream, end } = track;
      if (!reader.read(at)) return false;
      if (track === all) {
        if (reader.type !== 0) encoder.add(stream, reader, mirror, this.encoding);
        goOn(due, track, (at + reader.units) >>> 0);
        continue;
      }
      // From where all trades begin, those of one market are among them.
      const covered = all?.at !== undefined && !isBefore(at, all.at);
      if (!covered) encoder.add(stream, reader, mirror, this.encoding);
      // The newest record leads to no other one.
      goOn(due, track, covered || reader.next === 0 ? end : (at + reader.next) >>> 0);
    }
    return true;
  }
}

/** A track with a next record. */
type DueTrack = Track & { at: number };

function isDue(track: Track): track is DueTrack {
  return track.at !== undefined;
}

/** Later records first; of two at one record that of all markets, as the other may be covered by it. */
function latestFirst(one: DueTrack, other: DueTrack): number {
  if (one.at !== other.at) return isBefore(one.at, other.at) ? 1 : -1;
  return Number(other.stream.marketId === undefined) - Number(one.stream.marketId === undefined);
}

/** Has a track go on at a position, in its place among those that are due; at its end it is not any more. */
function goOn(due: DueTrack[], track: Track, position: number): void {
  track.at = isBefore(position, track.end) ? position : undefined;
  if (!isDue(track)) return;
  let low = 0;
  let high = due.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (latestFirst(due[middle] as DueTrack, track) < 0) low = middle + 1;
    else high = middle;
  }
  due.splice(low, 0, track);
}
