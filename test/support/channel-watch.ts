import { testToken } from "./server-process.js";
import type { MessageOf } from "./test-client.js";
import { TestClient } from "./test-client.js";
import { until } from "./until.js";

type Told = MessageOf<"Publication">["data"];

/** Where a publication stands, as its publisher and each subscriber is told. */
export interface PlacedData {
  readonly data: unknown;
  readonly seq: number;
  readonly ts: number;
}

/** A user who may subscribe and publish to all channels. */
export async function channelUser(port: number, sub = "user"): Promise<TestClient> {
  const token = testToken({ sub, channels: ["*"], publish: ["*"] });
  const client = await TestClient.connect(port, { query: `?token=${token}` });
  await client.take("Authenticated");
  return client;
}

/** Publishes to a channel, and says where that stands. */
export async function publishTo(
  client: TestClient,
  channel: string,
  data: unknown,
): Promise<PlacedData> {
  const reply = await client.request({ type: "Publish", data: { channel, data } });
  if (reply.type !== "Published") throw new Error(`not published: ${JSON.stringify(reply)}`);
  return { data, seq: reply.data.seq, ts: reply.data.ts };
}

/** One who subscribes to private channels, and keeps what is told of each. */
export class ChannelWatch {
  /** By channel, in the order in which they came. */
  readonly told = new Map<string, Told[]>();
  /** Of the subscription's answer: what there was since a moment came with it, by channel. */
  readonly recovered = new Map<string, boolean>();
  /** The code with which the server has ended it, if it has. */
  closedWith: number | undefined;
  /** The latest position that it was told, than which nothing that is told afterwards may be earlier. */
  position = 0;
  /** What was told though a position had said that it had been. */
  readonly late: string[] = [];
  readonly #client: TestClient;

  private constructor(client: TestClient) {
    this.#client = client;
    void client.closed.then(({ code }) => {
      this.closedWith = code;
    });
  }

  static async start(
    port: number,
    channels: readonly string[],
    since?: number,
  ): Promise<ChannelWatch> {
    const client = await channelUser(port, `reader-${Math.random()}`);
    const watch = new ChannelWatch(client);
    const named = channels.map((channel) => ({
      type: "Private",
      params: { channel },
      ...(since !== undefined && { since }),
    }));
    const id = "watch";
    const heartbeat = { type: "Heartbeat", params: { interval_ms: 100 } };
    client.send({ type: "Subscribe", id, data: { channels: [...named, heartbeat] } });
    const subscribed = new Promise<void>((resolve, reject) => {
      void watch.#read(id, resolve).catch(reject);
    });
    await subscribed;
    return watch;
  }

  /** What was told of a channel, as its publishers were told of it. */
  of(channel: string): PlacedData[] {
    return (this.told.get(channel) ?? []).map(({ data, seq, ts }) => ({ data, seq, ts }));
  }

  /** Resolves when so much has been told of a channel. */
  async has(channel: string, publications: number): Promise<void> {
    await until(
      `${publications} publications of ${channel}`,
      () => this.of(channel).length >= publications,
      30_000,
      () => `${this.of(channel).length}, closed with ${this.closedWith}`,
    );
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #read(id: string, subscribed: () => void): Promise<void> {
    for (;;) {
      const message = await this.#client.next().catch((error: unknown) => {
        if (this.#client.failure !== undefined) throw error;
        return undefined;
      });
      if (message === undefined) return;
      if (message.type === "Publication") {
        const { channel, seq, ts } = message.data;
        if (ts < this.position) this.late.push(`${channel} ${seq}: ${ts} behind ${this.position}`);
        this.told.set(channel, [...(this.told.get(channel) ?? []), message.data]);
      } else if (message.type === "Heartbeat") this.position = message.data.ts;
      if (message.id !== id) continue;
      if (message.type !== "Subscribed") throw new Error(JSON.stringify(message));
      for (const one of message.data.channels)
        if (one.type === "Private" && one.recovered !== undefined)
          this.recovered.set(one.params.channel, one.recovered);
      subscribed();
    }
  }
}
