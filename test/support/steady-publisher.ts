import { setTimeout as sleep } from "node:timers/promises";
import { type ChannelWatch, channelUser, type PlacedData, publishTo } from "./channel-watch.js";
import type { TestClient } from "./test-client.js";

/** Between two publications of one, in ms. */
const PACE_MS = 3;

/** Publishes to a channel, one after the other, until it is told to stop. */
export class SteadyPublisher {
  /** Where what was published stands, and what was refused, or may have been. */
  readonly placed: PlacedData[] = [];
  readonly refused: unknown[] = [];
  readonly #client: TestClient;
  readonly #channel: string;
  readonly #running: Promise<void>;
  #stopped = false;

  private constructor(client: TestClient, channel: string, name: string) {
    this.#client = client;
    this.#channel = channel;
    this.#running = this.#run(name);
    // Who stops it hears of it.
    this.#running.catch(() => {});
  }

  static async start(port: number, channel: string, name: string): Promise<SteadyPublisher> {
    return new SteadyPublisher(await channelUser(port, name), channel, name);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.#client.close();
  }

  async #run(name: string): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      const data = `${name}: ${number}`;
      try {
        this.placed.push(await publishTo(this.#client, this.#channel, data));
      } catch (error) {
        this.refused.push(data);
        if (!/UNAVAILABLE|INTERNAL/.test(String(error))) throw error;
      }
      await sleep(PACE_MS);
    }
  }
}

/**
 * What is wrong with what somebody was told of a channel, by what its publishers were told: all of it from the first
 * on that it has, each once, in its order, with its place. Numbers may leave out some where a hub has followed another.
 */
export function faultsOf(
  watch: ChannelWatch,
  channel: string,
  publishers: readonly SteadyPublisher[],
): string[] {
  const told = watch.of(channel);
  const faults: string[] = [];
  const [first] = told;
  if (first === undefined) return [`nothing of ${channel} was told`];
  for (const [at, { seq }] of told.entries())
    if (at > 0 && seq <= (told[at - 1]?.seq ?? 0))
      faults.push(`${at}: ${seq} follows ${told[at - 1]?.seq}`);
  const bySeq = new Map(told.map((one) => [one.seq, one]));
  for (const one of publishers.flatMap(({ placed }) => placed)) {
    const same = bySeq.get(one.seq);
    bySeq.delete(one.seq);
    if (one.seq >= first.seq && JSON.stringify(same) !== JSON.stringify(one))
      faults.push(`published ${JSON.stringify(one)}, told ${JSON.stringify(same)}`);
  }
  const refused = new Set(publishers.flatMap((one) => one.refused));
  for (const { data } of bySeq.values())
    if (!refused.has(data)) faults.push(`told ${JSON.stringify(data)}, which nobody published`);
  return faults;
}
