interface Registration<T> {
  readonly listener: (event: T) => unknown;
  readonly once: boolean;
}

/**
 * Typed listeners. A listener that throws, or returns a promise that rejects, is reported and
 * disturbs nobody else.
 */
export class Emitter<Events extends object> {
  /** Lists are replaced and never changed, so that one may be walked while listeners come and go. */
  readonly #lists = new Map<keyof Events, readonly Registration<never>[]>();
  readonly #onThrow: (thrown: unknown, event: keyof Events) => void;

  constructor(onThrow: (thrown: unknown, event: keyof Events) => void) {
    this.#onThrow = onThrow;
  }

  /** Adds a listener and returns a function that takes this one off again. */
  add<E extends keyof Events>(
    event: E,
    listener: (event: Events[E]) => unknown,
    once = false,
  ): () => void {
    const added: Registration<Events[E]> = { listener, once };
    this.#lists.set(event, [...this.#list(event), added]);
    return () => this.#remove(event, (one) => one === added);
  }

  /** Takes a listener off, however often it was added. */
  off<E extends keyof Events>(event: E, listener: (event: Events[E]) => unknown): void {
    this.#remove(event, (one) => one.listener === listener);
  }

  /** Calls the listeners in the order they were added; returns whether there were any. */
  emit<E extends keyof Events>(event: E, value: Events[E]): boolean {
    const list = this.#lists.get(event) as readonly Registration<Events[E]>[] | undefined;
    if (list === undefined) return false;
    for (const one of list) {
      if (one.once) this.#remove(event, (other) => other === one);
      try {
        const result = one.listener(value);
        if (result instanceof Promise)
          result.catch((thrown: unknown) => this.#onThrow(thrown, event));
      } catch (thrown) {
        this.#onThrow(thrown, event);
      }
    }
    return true;
  }

  #list<E extends keyof Events>(event: E): readonly Registration<Events[E]>[] {
    return (this.#lists.get(event) ?? []) as readonly Registration<Events[E]>[];
  }

  #remove<E extends keyof Events>(
    event: E,
    matches: (one: Registration<Events[E]>) => boolean,
  ): void {
    const left = this.#list(event).filter((one) => !matches(one));
    if (left.length === 0) this.#lists.delete(event);
    else this.#lists.set(event, left as readonly Registration<never>[]);
  }
}
