import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { CLOSE } from "../../../contract/closings.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import { compareMarketIds } from "../../../shared/market-id.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import { TurnBudget } from "../connections/turn-budget.js";
import type { ArchivedTrades, TradeArchiveSource } from "./archived-trades.js";
import type { Audience, Member } from "./audience.js";
import { HistoryWindow } from "./history-window.js";
import type { Mirror } from "./mirror.js";
import { ReplayCursor } from "./replay-cursor.js";
import { ReplayEncoder } from "./replay-encoder.js";
import { earlierOf, placesOf, type StreamPlace, tradeStreams } from "./replay-streams.js";
import type { SubscriptionSet } from "./subscription-set.js";

/** How often an archive that cannot be read is looked at, in ms. */
export const ARCHIVE_LOOK_MS = 10;
/** How long trades are replayed in a turn of the event loop. */
const TURNS = { leastMs: 2, mostMs: 10, share: 0.5 };

export interface ReplayOptions {
  /** A clock in ms. */
  readonly now?: () => number;
  /** Has a function called in the next turn of the event loop. */
  readonly defer?: (run: () => void) => void;
}

interface ReplayHooks {
  /** Has an audience's members sent what waits for more, as one of them is to have its trades otherwise. */
  readonly settle: (audience: Audience) => void;
  /** A member has all of a former epoch, so what waits behind that may be sent. */
  readonly released: (member: Member) => void;
}

/**
 * Replays trades, out of the window and, before that, the archive, to members that do not get them by rounds: who did not take them, and
 * who asked for earlier ones. A member with a cursor gets no trades of rounds; when its cursor has reached
 * what the mirror has read, between two rounds, it is let go, and the next round's trades follow.
 *
 * Over an epoch's change a cursor stays in the former window until it has all of it, and goes on at the
 * beginning of the present one. Of former windows one is kept, for as long as somebody is in it.
 *
 * Invariants: an open member without a cursor has been sent all trades of its subscriptions that the mirror
 * has read since it has them; a cursor is in the present window or in the one before.
 */
export class TradeReplays {
  readonly encoder: ReplayEncoder;
  /** Undefined where nothing is archived. */
  readonly archive: TradeArchiveSource | undefined;
  readonly #counters: CounterSection;
  readonly #hooks: ReplayHooks;
  readonly #defer: (run: () => void) => void;
  readonly #now: () => number;
  readonly #budget: TurnBudget;
  readonly #ready = new Set<Member>();
  /** Cursors of those who fell behind in the round that is under way. */
  readonly #ofRound = new Map<Audience, ReplayCursor>();
  /** Cursors whose pieces are kept for others. */
  readonly #withPieces = new Set<ReplayCursor>();
  /** Members for whom the archive cannot be read at the moment. */
  readonly #away = new Set<Member>();
  #awayTimer: NodeJS.Timeout | undefined;
  #window: HistoryWindow | undefined;
  /** Position of the trades when the round began that is under way or was the last. */
  roundBegan = 0;
  #scheduled = false;

  constructor(
    counters: CounterSection,
    encodings: readonly EncodingDescriptor[],
    hooks: ReplayHooks,
    archive: TradeArchiveSource | undefined,
    { now, defer }: ReplayOptions = {},
  ) {
    this.encoder = new ReplayEncoder(encodings);
    this.#counters = counters;
    this.#hooks = hooks;
    this.archive = archive;
    this.#now = now ?? (() => performance.now());
    this.#budget = new TurnBudget(TURNS, this.#now);
    this.#defer = defer ?? ((run) => setImmediate(run));
  }

  get window(): HistoryWindow {
    if (this.#window === undefined) throw new Error("trade replays: no window yet");
    return this.#window;
  }

  /** Another producer's window; whoever has not all of the one before that is too slow for two. */
  setMirror(mirror: Mirror, members: Iterable<Member>): void {
    const before = this.#window;
    if (before !== undefined) before.former = true;
    this.#window = new HistoryWindow(mirror);
    // Those who fell behind between rounds did so in the former window.
    this.#ofRound.clear();
    for (const member of members) {
      if (member.replay === undefined) continue;
      if (member.replay.window !== before) member.close(CLOSE.tradesLost);
      else if (member.replay.atHead) this.#enterPresent(member);
    }
  }

  /** Notes how far back the windows reach. */
  noteReach(): void {
    const { trades, states } = this.window;
    this.#counters[SHARD.oldestTradeTs] = trades.oldest()?.ts ?? 0;
    this.#counters[SHARD.oldestStateTs] = states.oldest()?.ts ?? 0;
  }

  beginRound(): void {
    this.roundBegan = this.window.mirror.tradesRead;
  }

  endRound(): void {
    this.#ofRound.clear();
  }

  /** A member does not take the trades from a position on: it is given them later. */
  fallBehind(member: Member, audience: Audience, from: number): void {
    let cursor = this.#ofRound.get(audience);
    if (cursor?.places[0]?.position !== from) {
      const places = tradeStreams(audience.subscriptions).map(
        (stream): StreamPlace => ({ ...stream, position: from, exact: false }),
      );
      cursor = new ReplayCursor(this.window, "trades", audience.encoding, places);
      this.#ofRound.set(audience, cursor);
    }
    member.replay = cursor;
  }

  /**
   * Follows a member's subscriptions: what it still is due of those that stay goes on, what is new begins
   * at present.
   */
  resubscribed(member: Member, subscriptions: SubscriptionSet | undefined): void {
    const { replay } = member;
    if (replay === undefined || replay.window.former) return;
    const { window, encoding, askedUntil } = replay;
    const places = this.#placesFor(replay, subscriptions);
    const archived = replay.archived.flatMap((part) => partsFor(part, subscriptions));
    member.replay =
      places.length === 0
        ? undefined
        : new ReplayCursor(window, "trades", encoding, places, askedUntil, archived);
  }

  /**
   * Has a member, which is subscribed to them, sent all records of streams from places on and, before them, what
   * is named of the archive, which only somebody without a cursor may be; nobody who is still to be sent some of it.
   */
  seek(
    member: Member,
    asked: readonly StreamPlace[],
    archived: readonly ArchivedTrades[] = [],
  ): void {
    const { audience, replay } = member;
    if (audience === undefined) throw new Error("trade replays: a seek of who is not subscribed");
    this.#hooks.settle(audience);
    if (replay !== undefined && archived.length + replay.archived.length > 0)
      throw new Error("trade replays: a seek beside what comes out of the archive");
    if (replay?.window.former === true) throw new Error("trade replays: a seek in a former epoch");
    const places = earlierOf(this.#placesFor(replay, audience.subscriptions), asked);
    const head = this.window.mirror.tradesRead;
    const { encoding } = member;
    member.replay = new ReplayCursor(this.window, "trades", encoding, places, head, archived);
    this.ready(member);
  }

  /** A member takes more; it is served in its turn. */
  ready(member: Member): void {
    if (member.replay === undefined || member.waiting) return;
    this.#ready.add(member);
    this.#schedule();
  }

  /** Whether there is nothing to send to a member until the archive has been looked at again. */
  waitsForArchive(member: Member): boolean {
    return this.#away.has(member);
  }

  forget(member: Member): void {
    this.#ready.delete(member);
    this.#away.delete(member);
    member.replay = undefined;
  }

  /**
   * Writes the next piece to a member that takes more, if it has a cursor: behind what waits of private
   * messages, among which is the news of an epoch. Between two rounds only. Closes a member that the window
   * has passed by. Returns whether there was a piece.
   */
  send(member: Member): boolean {
    if (member.replay === undefined) return false;
    const queue = member.takeQueue();
    const batch = this.#take(member);
    if (member.open) member.writeAll(batch === undefined ? queue : [...queue, batch]);
    return batch !== undefined;
  }

  /** The next piece for a member; undefined where there is none, or it is not found yet. */
  #take(member: Member): FrameBatch | undefined {
    const { replay, audience } = member;
    if (replay === undefined) return undefined;
    if (audience !== undefined) this.#hooks.settle(audience);
    if (replay.atHead) {
      this.#arrived(member);
      return undefined;
    }
    const piece = this.#pieceOf(replay);
    if (piece === "away") this.#waitForArchive(member);
    if (piece === undefined || piece === "away") return undefined;
    if (piece === "lost") {
      member.close(CLOSE.tradesLost);
      return undefined;
    }
    this.#withPieces.add(replay);
    this.#schedule();
    const { batch, next } = piece;
    if (replay.asked) member.chargeAnswer(batch.bytes.length);
    count(this.#counters, SHARD.replayedMessages, batch.messages);
    member.replay = next;
    if (next.atHead) this.#arrived(member);
    // Of the archive the last one may be empty.
    return batch.messages > 0 ? batch : undefined;
  }

  #pieceOf(replay: ReplayCursor): ReturnType<ReplayCursor["piece" | "archivedPiece"]> {
    if (replay.archived.length === 0) return replay.piece(this.encoder);
    if (this.archive === undefined) throw new Error("trade replays: no archive to read");
    return replay.archivedPiece(this.encoder, this.archive);
  }

  #waitForArchive(member: Member): void {
    this.#away.add(member);
    this.#awayTimer ??= setTimeout(() => {
      this.#awayTimer = undefined;
      const members = [...this.#away];
      this.#away.clear();
      for (const one of members) this.ready(one);
    }, ARCHIVE_LOOK_MS).unref();
  }

  /** A cursor has reached its window's head. */
  #arrived(member: Member): void {
    if (member.replay?.window.former === true) this.#enterPresent(member);
    else member.replay = undefined;
  }

  /** What the present producer has told is due from its beginning. */
  #enterPresent(member: Member): void {
    const { audience } = member;
    const places = tradeStreams(audience?.subscriptions).map(
      (stream): StreamPlace => ({ ...stream, position: 0, exact: false }),
    );
    const cursor = new ReplayCursor(this.window, "trades", member.encoding, places);
    member.replay = cursor.atHead ? undefined : cursor;
    this.#hooks.released(member);
  }

  #placesFor(
    replay: ReplayCursor | undefined,
    subscriptions: SubscriptionSet | undefined,
  ): StreamPlace[] {
    const { tradesRead } = this.window.mirror;
    return placesOf(tradeStreams(subscriptions), replay?.places ?? [], tradesRead);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#defer(this.#turn);
  }

  /** Serves members one after the other, each with a piece, while there is time: one at least. */
  readonly #turn = (): void => {
    this.#scheduled = false;
    const endsAt = this.#now() + this.#budget.begin();
    do {
      const [member] = this.#ready;
      if (member === undefined) break;
      this.#ready.delete(member);
      this.#serve(member);
    } while (this.#now() < endsAt);
    for (const cursor of this.#withPieces) cursor.forgetPiece();
    this.#withPieces.clear();
    this.#budget.end(this.#ready.size > 0);
    if (this.#ready.size > 0) this.#schedule();
  };

  #serve(member: Member): void {
    // One that is blocked will be ready when it has drained; one that loads is served with its first data.
    if (!member.open || member.waiting || member.replay === undefined) return;
    this.send(member);
    if (!this.#away.has(member)) this.ready(member);
  }
}

/** What is left of a part for subscriptions: of all trades, where those have ended, each market's that has not. */
function partsFor(
  part: ArchivedTrades,
  subscriptions: SubscriptionSet | undefined,
): readonly ArchivedTrades[] {
  if (subscriptions === undefined) return [];
  const { allTrades, trades } = subscriptions;
  const { marketId } = part;
  if (allTrades || (marketId !== undefined && trades.has(marketId))) return [part];
  if (marketId !== undefined) return [];
  return [...trades].sort(compareMarketIds).map((id) => ({ ...part, marketId: id }));
}
