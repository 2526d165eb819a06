import type { Gap } from "../client/node.js";

/** After a note, further gaps are gathered for this long, in milliseconds. */
const GATHER_MS = 1000;

const KINDS = ["conflated", "lost", "disconnected"] as const satisfies readonly Gap["kind"][];

/**
 * Notes about gaps that do not flood whoever reads them: a busy server conflates thousands of
 * messages a second. The first gap is told at once, those of the next second in one note.
 */
export class GapNotes {
  readonly #tell: (text: string) => void;
  readonly #missed = new Map<Gap["kind"], number>();
  #gathered = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  take(gap: Gap): void {
    if (this.#timer === undefined) {
      this.#tell(gapText(gap));
      this.#gatherOn();
      return;
    }
    this.#gathered++;
    this.#missed.set(gap.kind, (this.#missed.get(gap.kind) ?? 0) + gap.missed);
  }

  /** Tells what is gathered, and gathers no more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tellGathered();
  }

  #gatherOn(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#gathered === 0) return;
      this.#tellGathered();
      this.#gatherOn();
    }, GATHER_MS);
  }

  #tellGathered(): void {
    if (this.#gathered === 0) return;
    const missed = KINDS.flatMap((kind) => {
      const count = this.#missed.get(kind);
      return count === undefined ? [] : [`${count} messages ${kind}`];
    });
    this.#tell(`gaps: ${this.#gathered} more, ${missed.join(", ")}`);
    this.#gathered = 0;
    this.#missed.clear();
  }
}

function gapText({ stream, marketId, from, to, missed, kind }: Gap): string {
  const messages = `${missed} ${stream} ${missed === 1 ? "message" : "messages"}`;
  return `gap: ${messages} of market ${marketId} ${kind}, between #${from} and #${to}`;
}
