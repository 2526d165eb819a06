/** A server that serves, as who started it sees it. */
export interface RunningServer {
  readonly port: number;
  readonly opsPort: number;
  /** Ends a shard's thread as the watchdog would: its clients are cut, and it starts again. */
  restartShard(shard: number): void;
  /** Ends the producer's thread: another takes its place, with a new epoch. */
  restartProducer(): void;
  /** Drains and stops; resolves when it has. Asked again, it is the same stop. */
  stop(): Promise<void>;
  /**
   * Resolves with the exit code when the server has stopped: 0 where it was asked to, 1 where it gave
   * itself up because only a new process can help.
   */
  readonly closed: Promise<number>;
}
