import { describe, expect, it } from "vitest";
import { counted, counterBlockOf, createCounterBuffer } from "../../src/counters/counters.js";
import { RELAY } from "../../src/counters/relay-counters.js";
import { openEntry } from "../../src/relay/entry-form.js";
import type { RecordSink } from "../../src/relay/packed-records.js";
import { RelayedPublications } from "../../src/relay/relayed-publications.js";
import { RingPacker } from "../../src/relay/ring-packer.js";
import { createMarketMemory } from "../../src/ring/market-memory.js";
import { type PublicationRecord, publicationTexts } from "../../src/ring/publication-record.js";
import { PublicationWriter } from "../../src/workers/producer/publication-writer.js";
import { PublicationReader } from "../../src/workers/shard/channels/publication-reader.js";

const SIZES = {
  ringSize: 1 << 16,
  tradeRingSize: 1 << 16,
  publicationRingSize: 1 << 18,
  maxMarkets: 8,
  maxTitleBytes: 32,
  bookDepth: 20,
};

/** The rings of publications of an origin and an edge, with nothing between them but entries; and an edge's shard. */
class Pair {
  readonly near = createMarketMemory("epoch-a", SIZES);
  readonly far = createMarketMemory("epoch-a", { ...SIZES, publicationRingSize: 1 << 22 });
  readonly counters = counterBlockOf(createCounterBuffer(1));
  readonly writer = new PublicationWriter(this.near, this.counters.producer);
  readonly packer = new RingPacker(false, this.counters.relay);
  readonly edgeCounters = counterBlockOf(createCounterBuffer(1));
  readonly edge = new RelayedPublications(
    new PublicationWriter(this.far, this.edgeCounters.producer),
    this.edgeCounters.relay,
  );
  /** What a shard of the edge is told. */
  readonly told: (PublicationRecord | "missing")[] = [];
  readonly reader = new PublicationReader(this.far, "start", 0, {
    wanted: () => true,
    published: (publication) => this.told.push(publication),
    lapped: () => this.told.push("missing"),
  });
  #seq = 0;

  constructor() {
    this.packer.add(this.near);
  }

  publish(data: string): PublicationRecord {
    const seq = ++this.#seq;
    const publication = { channel: "desk", userId: seq % 2 ? "ü" : undefined, data, seq, ts: seq };
    const { channel, userId } = publication;
    this.writer.write(publicationTexts(channel, userId, data), seq, seq);
    this.writer.publish();
    return publication;
  }

  /** Relays all there is; returns the bytes of each entry, or that it says that something is missing. */
  relay(): (number | "gap")[] {
    const entries: (number | "gap")[] = [];
    const sink: Partial<RecordSink> = {
      completeFrom: () => {},
      publication: (publication) => this.edge.write(publication),
      publishedTo: (ts) => this.edge.publishedTo(ts),
    };
    for (let head = this.packer.pack(); head !== undefined; head = this.packer.pack()) {
      const bytes = this.packer.writer.finish({ ...head, fence: 1, batch: entries.length + 1 });
      entries.push(head.gap ? "gap" : bytes.length);
      if (head.gap) this.edge.lost();
      openEntry(bytes).read(sink as RecordSink);
    }
    this.edge.publish();
    while (this.reader.pending) this.reader.poll(() => false);
    return entries;
  }
}

describe("relayed publications", () => {
  it("relayed publications - come as they were published, in entries of bounded size", () => {
    const pair = new Pair();
    expect(pair.relay()).toHaveLength(1);
    const small = [pair.publish("1"), pair.publish('"ü😀"')];
    expect(pair.relay()).toHaveLength(1);
    expect(pair.told.splice(0)).toEqual(small);
    const data = JSON.stringify("x".repeat(16_000));
    const large = Array.from({ length: 15 }, () => pair.publish(data));
    const entries = pair.relay();
    expect(pair.told).toEqual(large);
    expect(entries.length).toBeGreaterThan(1);
    for (const bytes of entries) expect(bytes).toBeLessThan(200 * 1024);
  });

  it("relayed publications - where the ring has lapped the relay, shards hear that some are missing, and since when", () => {
    const pair = new Pair();
    pair.publish("1");
    pair.writer.publishedTo(40);
    pair.writer.publish();
    pair.relay();
    pair.told.length = 0;
    const data = JSON.stringify("x".repeat(16_000));
    for (let publication = 0; publication < 40; publication++) pair.publish(data);
    expect(pair.relay()).toEqual(["gap"]);
    expect(pair.told).toEqual(["missing"]);
    expect(pair.reader.lastTs).toBe(40);
    expect(counted(pair.edgeCounters.relay, RELAY.publicationGaps)).toBe(1);
    const next = pair.publish("2");
    pair.relay();
    expect(pair.told).toEqual(["missing", next]);
  });
});
