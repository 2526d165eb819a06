import { expect, it } from "vitest";
import { BroadcastReceiver, RECEIVED } from "../../src/ring/broadcast-receiver.js";
import { BroadcastTransmitter, createRingBuffer } from "../../src/ring/broadcast-transmitter.js";
import { RECORD } from "../../src/ring/layout.js";
import {
  publicationBytes,
  publicationTexts,
  readChannel,
  readPublication,
  readPublicationTs,
  writePublication,
} from "../../src/ring/publication-record.js";

it("publication record - what is written is read, with users of many bytes and without one, up to the largest", () => {
  const buffer = createRingBuffer(1 << 18);
  const ring = new BroadcastTransmitter(buffer);
  const reader = new BroadcastReceiver(buffer);
  const publications = [
    { channel: "a", userId: "ü😀", data: '{"ä":1}', seq: 1_790_000_000_000_000, ts: 1 },
    { channel: "a".repeat(128), userId: undefined, data: "1", seq: 2, ts: 2 ** 52 },
    { channel: "b", userId: "", data: `"${"x".repeat(16_382)}"`, seq: 3, ts: 3 },
    { channel: "b", userId: "ü".repeat(256), data: `"${"ü".repeat(8191)}"`, seq: 4, ts: 4 },
  ];
  for (const { channel, userId, data, seq, ts } of publications) {
    const texts = publicationTexts(channel, userId, data);
    const offset = ring.claim(RECORD.publication, publicationBytes(texts));
    writePublication(ring.words, offset, texts, seq, ts);
  }
  ring.publish();
  const read: unknown[] = [];
  const glances: unknown[] = [];
  while (reader.receive() === RECEIVED.records)
    while (reader.next() === RECORD.publication) {
      const { words, offset } = reader;
      read.push(readPublication(words, offset));
      glances.push([readChannel(words, offset), readPublicationTs(words, offset)]);
    }
  expect(read).toEqual(publications);
  expect(glances).toEqual(publications.map(({ channel, ts }) => [channel, ts]));
});
