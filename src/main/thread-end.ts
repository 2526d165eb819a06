/** How long a thread has to end itself before it is terminated, in ms. */
const PATIENCE_MS = 200;
/** How long a thread may take to end when it is terminated, in ms: all in all less than a second. */
const TERMINATION_MS_MAX = 700;

let leftBehind = 0;

/**
 * Threads of this process that are to end and have not. While there is one, an orderly exit of the
 * process would wait for it.
 */
export function threadsLeftBehind(): number {
  return leftBehind;
}

interface EndingThread {
  /** Has it end itself, as soon as its loop turns. */
  readonly ask: () => void;
  readonly terminate: () => unknown;
  /** Resolves when it has ended; never rejects. */
  readonly exited: Promise<unknown>;
}

/**
 * Ends a thread, and resolves, within bounded time, with whether it has ended.
 *
 * Termination ends what runs in JavaScript, waits or allocates within milliseconds. It does not end
 * what is inside a native call, a read of a pipe or a sort of millions of numbers say, before that
 * returns: such a thread is left behind. It runs no more JavaScript, but keeps what it has open.
 */
export function endThread(
  { ask, terminate, exited }: EndingThread,
  patienceMs = PATIENCE_MS,
): Promise<boolean> {
  return new Promise((resolve) => {
    let left = false;
    const timers = [
      setTimeout(terminate, patienceMs),
      setTimeout(() => {
        left = true;
        leftBehind++;
        resolve(false);
      }, patienceMs + TERMINATION_MS_MAX),
    ];
    void exited.then(() => {
      timers.forEach(clearTimeout);
      if (left) leftBehind--;
      resolve(true);
    });
    ask();
  });
}
