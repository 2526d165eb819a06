/** Exit code of an origin in whose place there is another. */
export const EXIT_FENCED_OUT = 3;

/** A server that serves, as who started it sees it. */
export interface RunningServer {
  readonly port: number;
  readonly opsPort: number;
  /** Drains and stops; resolves when it has. Asked again, it is the same stop. */
  stop(): Promise<void>;
  /**
   * Resolves with the exit code when the server has stopped: 0 where it was asked to, 1 where it gave
   * itself up because only a new process can help, 3 where another origin has taken over its relay.
   */
  readonly closed: Promise<number>;
}
