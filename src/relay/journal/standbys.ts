import type { StandbySaid } from "./journal-words.js";

/** A standby that says nothing for longer is no heir any more, in ms. */
const SILENCE_MS_MAX = 3000;
/** One that says nothing for longer is forgotten, and nothing is kept for it. */
const FORGOTTEN_MS = 60_000;
/** More are not heard. */
const STANDBYS_MAX = 16;

interface Standby {
  last: number;
  timeline: string;
  heardAt: number;
  /** What it has is no beginning of this history. */
  isApart: boolean;
  /** It is written down that it is an heir, or is about to be. */
  isHeir: boolean;
  isDue: boolean;
}

interface StandbysOptions {
  /** The timeline of a record of this exchange. */
  readonly timelineOf: (number: number) => string;
  /** Number of the last record on this exchange's disk. */
  readonly stored: () => number;
  /** Answers wait for heirs: only who has all that was told becomes one. */
  readonly strict: boolean;
}

/**
 * What an exchange knows of its standbys. Heirs are those that may take over: what all of them have on disk is
 * confirmed.
 *
 * Invariant: whoever is written down as an heir counts for what is confirmed, from before that until after. So whoever
 * finds itself among those that are written down has all that was confirmed.
 */
export class Standbys {
  readonly #options: StandbysOptions;
  readonly #known = new Map<string, Standby>();

  constructor(options: StandbysOptions) {
    this.#options = options;
  }

  /** Takes what a standby says, at a moment in ms. */
  hear({ standby, last, timeline }: StandbySaid, now: number): void {
    // Of an empty store nobody knows what the exchange's had before its journal.
    const isApart = last === 0 || this.#options.timelineOf(last) !== timeline;
    const known = this.#known.get(standby);
    if (known !== undefined) Object.assign(known, { last, timeline, heardAt: now, isApart });
    else if (this.#known.size < STANDBYS_MAX)
      this.#known.set(standby, {
        last,
        timeline,
        heardAt: now,
        isApart,
        isHeir: false,
        isDue: false,
      });
  }

  /** Forgets whoever has been silent for long; returns whether there is anybody. */
  isAnybodyThere(now: number): boolean {
    for (const [id, { heardAt, isHeir }] of this.#known)
      if (!isHeir && now - heardAt > FORGOTTEN_MS) this.#known.delete(id);
    return this.#known.size > 0;
  }

  /** Up to where all heirs have the journal; undefined where there is no heir. */
  get confirmed(): number | undefined {
    const all = [...this.#known.values()];
    if (!all.some(({ isHeir }) => isHeir)) return undefined;
    const counted = all.filter(({ isHeir, isDue }) => isHeir || isDue);
    return Math.min(...counted.map(({ last }) => last));
  }

  /** The records that some standby may ask for lie behind it. */
  get passed(): number {
    const following = [...this.#known.values()].filter(({ isApart }) => !isApart);
    return following.length === 0 ? 0 : Math.min(...following.map(({ last }) => last));
  }

  /** The furthest that a standby has come with this history, 0 where none has. */
  get furthest(): number {
    const following = [...this.#known.values()].filter(({ isApart }) => !isApart);
    return Math.max(0, ...following.map(({ last }) => last));
  }

  get heirs(): readonly string[] {
    return [...this.#known].flatMap(([id, { isHeir }]) => (isHeir ? [id] : []));
  }

  get count(): number {
    return this.#known.size;
  }

  /**
   * Who should be heirs now, undefined where they are. Whoever becomes one counts from now on; whoever is one no more,
   * until {@link changed}.
   */
  change(now: number): readonly string[] | undefined {
    const { strict, stored } = this.#options;
    const needed = strict ? (this.confirmed ?? stored()) : 0;
    let isOther = false;
    for (const standby of this.#known.values()) {
      const { isHeir, isApart, last, heardAt } = standby;
      const isFollowing = !isApart && now - heardAt <= SILENCE_MS_MAX;
      standby.isDue = isFollowing && (isHeir || last >= needed);
      isOther ||= standby.isDue !== isHeir;
    }
    return isOther ? [...this.#known].flatMap(([id, { isDue }]) => (isDue ? [id] : [])) : undefined;
  }

  /** What {@link change} has said is written down. */
  changed(): void {
    for (const standby of this.#known.values()) standby.isHeir = standby.isDue;
  }
}
