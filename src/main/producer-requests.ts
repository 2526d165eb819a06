/** Why the producer was not asked, or may not answer any more. */
type Unanswered = "busy" | "not-ready" | "ended";

interface ProducerRequestsOptions<Question, Outcome> {
  /** Requests that may be under way. */
  readonly most: number;
  /** Sends a request to the producer that is ready; returns false where none is. */
  readonly send: (request: number, question: Question) => boolean;
  /** What whoever asked is told then. */
  readonly refusal: (why: Unanswered) => Outcome;
}

/**
 * What operators ask of the producer's thread, on its way there and back.
 *
 * Invariant: each request is answered once, at the latest when the producer that has it ends.
 */
export class ProducerRequests<Question, Outcome> {
  readonly #options: ProducerRequestsOptions<Question, Outcome>;
  readonly #underWay = new Map<number, (outcome: Outcome) => void>();
  #last = 0;

  constructor(options: ProducerRequestsOptions<Question, Outcome>) {
    this.#options = options;
  }

  ask(question: Question): Promise<Outcome> {
    const { most, send, refusal } = this.#options;
    if (this.#underWay.size >= most) return Promise.resolve(refusal("busy"));
    const request = ++this.#last;
    if (!send(request, question)) return Promise.resolve(refusal("not-ready"));
    return new Promise((resolve) => this.#underWay.set(request, resolve));
  }

  answered(request: number, outcome: Outcome): void {
    this.#underWay.get(request)?.(outcome);
    this.#underWay.delete(request);
  }

  /** The producer has ended. */
  ended(): void {
    for (const request of [...this.#underWay.keys()])
      this.answered(request, this.#options.refusal("ended"));
  }
}
