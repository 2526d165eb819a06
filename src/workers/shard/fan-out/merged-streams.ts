import type { Audience, AudienceStream, Member } from "./audience.js";

/**
 * When merged streams are told: at once where their interval has passed since they told last, and else
 * at its end. Those whose interval runs stand in a queue, one for each interval, in the order of its ends.
 *
 * Invariant: a stream is in the queue of its interval exactly while that runs; between rounds only such
 * ones are pending.
 */
export class MergedStreams {
  readonly #noted: AudienceStream[] = [];
  readonly #queues = new Map<number, Set<AudienceStream>>();

  /** When the next interval ends, in ms; undefined where none runs. */
  get nextDueAt(): number | undefined {
    let next: number | undefined;
    for (const queue of this.#queues.values()) {
      const [first] = queue;
      if (first !== undefined && (next === undefined || first.dueAt < next)) next = first.dueAt;
    }
    return next;
  }

  /** What a stream is of has changed in the round that is under way. */
  changed(stream: AudienceStream): void {
    if (stream.noted) return;
    stream.noted = true;
    this.#noted.push(stream);
  }

  /** Has a stream's interval run, from first data or from what it has just told on. */
  run(stream: AudienceStream, now: number): void {
    const { intervalMs } = stream;
    if (intervalMs === 0) return;
    let queue = this.#queues.get(intervalMs);
    if (queue === undefined) {
      queue = new Set();
      this.#queues.set(intervalMs, queue);
    }
    queue.delete(stream);
    stream.dueAt = now + intervalMs;
    queue.add(stream);
  }

  /** Nobody wants a stream any more. */
  end(stream: AudienceStream): void {
    this.#queues.get(stream.intervalMs)?.delete(stream);
  }

  /** Takes out what is to be told now, at a round's end. */
  takeReady(now: number): readonly AudienceStream[] {
    const ready: AudienceStream[] = [];
    for (const queue of this.#queues.values()) {
      for (const stream of queue) {
        if (stream.dueAt > now) break;
        queue.delete(stream);
        if (stream.pending && !stream.noted) ready.push(stream);
      }
    }
    for (const stream of this.#noted) {
      stream.noted = false;
      stream.pending = this.#queues.get(stream.intervalMs)?.has(stream) === true;
      if (!stream.pending) ready.push(stream);
    }
    this.#noted.length = 0;
    for (const stream of ready) stream.pending = false;
    return ready;
  }

  /** Everything begins anew. */
  clear(): void {
    for (const stream of this.#noted) stream.noted = false;
    this.#noted.length = 0;
    this.#queues.clear();
  }
}

/** Of the streams that two audiences share, those that a member's first data are ahead of. */
export function aheadOf(
  member: Member,
  before: Audience,
  after: Audience | undefined,
): (readonly [AudienceStream, number])[] {
  return [...before.streams.keys()].flatMap((stream) => {
    const seq = stream.ahead.get(member);
    return seq !== undefined && after?.streams.has(stream) ? [[stream, seq] as const] : [];
  });
}
