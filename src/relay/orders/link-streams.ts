import { setTimeout as sleep } from "node:timers/promises";
import { ANSWER_MS_MAX, type RedisLink } from "../redis-link.js";

/** Between two attempts to reach Redis, in ms. */
const RETRY_MS = 100;

/** An entry of a stream: the id that it has there, and its bytes. */
export type StreamEntry = readonly [id: string, bytes: Buffer];

/** How a connection to Redis is opened. */
export type OpenLink = () => Promise<RedisLink>;

/** The number in the id of an entry whose writer has numbered it; else the time in ms. */
export function numberOf(id: string): number {
  return Number(id.split("-", 1)[0]);
}

/** The id of the entry with a number. */
export function idOf(number: number): string {
  return `${number}-0`;
}

/**
 * Waits until there are entries behind those that are named, and returns what there is, by key; nothing after `waitMs`.
 * @param from keys, and the ids behind which they are read
 * @param most entries of each key
 */
export async function readStreams(
  link: RedisLink,
  from: ReadonlyMap<string, string>,
  most: number,
  waitMs: number,
): Promise<ReadonlyMap<string, readonly StreamEntry[]>> {
  const limits = ["COUNT", String(most), "BLOCK", String(waitMs)];
  const command = ["XREAD", ...limits, "STREAMS", ...from.keys(), ...from.values()];
  const reply = await link.send(command, waitMs + ANSWER_MS_MAX);
  const streams = (reply ?? []) as readonly (readonly [Buffer, readonly RawEntry[]])[];
  return new Map(streams.map(([key, entries]) => [key.toString(), entries.map(entryOf)]));
}

/** In Redis' reply: the id, and a list of names and values. */
type RawEntry = readonly [id: Buffer, fields: readonly Buffer[] | null];

function entryOf([id, fields]: RawEntry): StreamEntry {
  return [id.toString(), fields?.[1] ?? Buffer.alloc(0)];
}

/** A stream's last entry; without bytes, and with the id "0-0", where there is none. */
export async function lastEntry(
  link: RedisLink,
  key: string,
): Promise<StreamEntry | readonly [id: "0-0", bytes: undefined]> {
  const command = ["XREVRANGE", key, "+", "-", "COUNT", "1"];
  const [newest] = (await link.send(command)) as readonly RawEntry[];
  return newest === undefined ? ["0-0", undefined] : entryOf(newest);
}

/**
 * Has a connection to Redis used, and another one when its use fails, until the signal aborts. Never rejects.
 * @param use resolves when it needs it no more; its signal is the connection's, and aborts with the other one
 * @param failed told why there is none at the moment
 */
export async function keepLink(
  open: OpenLink,
  signal: AbortSignal,
  use: (link: RedisLink, signal: AbortSignal) => Promise<void>,
  failed: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    const over = new AbortController();
    const end = (): void => over.abort();
    signal.addEventListener("abort", end, { once: true, signal: over.signal });
    try {
      const link = await open();
      over.signal.addEventListener("abort", () => link.close(), { once: true });
      if (signal.aborted) link.close();
      else await use(link, over.signal);
    } catch (error) {
      if (signal.aborted) break;
      failed(error);
      await sleep(RETRY_MS);
    } finally {
      end();
    }
  }
}
