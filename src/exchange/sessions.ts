/*
 * A session is the connection that an order may be bound to, named so that it can be told from all
 * others, of this run of the server and of earlier ones: `run/shard/connection`.
 */

export function sessionOf(run: string, shard: number, connection: number): string {
  return `${shardPrefix(run, shard)}${connection}`;
}

/** What all sessions of a shard begin with. */
export function shardPrefix(run: string, shard: number): string {
  return `${run}/${shard}/`;
}

/** Whether a session belongs to a run of the server. */
export function isOfRun(session: string, run: string): boolean {
  return session.startsWith(`${run}/`);
}
