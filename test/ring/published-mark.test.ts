import { afterEach, expect, it, vi } from "vitest";
import { BroadcastReceiver, RECEIVED } from "../../src/ring/broadcast-receiver.js";
import { BroadcastTransmitter, createRingBuffer } from "../../src/ring/broadcast-transmitter.js";
import { MARK_OFFSETS, RING_CAPACITY_MIN } from "../../src/ring/layout.js";
import { publishedMark } from "../../src/ring/published-mark.js";

afterEach(() => vi.restoreAllMocks());

it("published mark - it is that of the last publication, whatever is claimed since", () => {
  const buffer = createRingBuffer(RING_CAPACITY_MIN);
  const transmitter = new BroadcastTransmitter(buffer);
  expect(publishedMark(buffer)).toBe(0);
  transmitter.begin(40);
  expect(publishedMark(buffer)).toBe(40);
  for (let mark = 41; mark < 5000; mark++) {
    transmitter.claim(1, 48);
    expect(publishedMark(buffer)).toBe(mark - 1);
    transmitter.publish(mark);
    expect(publishedMark(buffer)).toBe(mark);
    // Nothing new, nothing said.
    transmitter.publish(mark);
  }
});

it("published mark - a producer that dies within a publication leaves that of the one before, or the new one with its records", () => {
  const buffer = createRingBuffer(RING_CAPACITY_MIN);
  const transmitter = new BroadcastTransmitter(buffer);
  const reader = new BroadcastReceiver(buffer);
  const dead = new Error("dead");
  for (let mark = 1; mark < 100; mark++) {
    transmitter.claim(1, 48);
    // Before the tail moves: all that there is to see is the mark written beside the present one.
    const store = vi.spyOn(Atomics, "store").mockImplementation(() => {
      throw dead;
    });
    expect(() => transmitter.publish(mark)).toThrow(dead);
    store.mockRestore();
    expect(publishedMark(buffer)).toBe(mark - 1);
    expect(reader.receive()).toBe(RECEIVED.nothing);
    // In the middle of that: only the tail that it is for is there.
    const words = new Float64Array(buffer);
    const written = MARK_OFFSETS.map((offset) => offset / 8).find((at) => words[at] === mark);
    words[written as number] = 0;
    expect(publishedMark(buffer)).toBe(mark - 1);
    words[written as number] = mark;
    // As if it had not died.
    transmitter.claim(1, 48);
    transmitter.publish(mark);
    expect(publishedMark(buffer)).toBe(mark);
    expect(reader.receive()).toBe(RECEIVED.records);
    while (reader.next() !== 0);
  }
});

it("published mark - it is known while the producer publishes one after another", () => {
  const buffer = createRingBuffer(RING_CAPACITY_MIN);
  const transmitter = new BroadcastTransmitter(buffer);
  transmitter.begin(40);
  const { load } = Atomics;
  let publications = 0;
  // Behind a look at the tail both marks are written over.
  const look = (words: Int32Array, index: number): number => {
    const tail = load(words, index);
    for (let at = 0; at < 2 && publications < 6; at++) {
      transmitter.claim(1, 48);
      transmitter.publish(41 + publications++);
    }
    return tail;
  };
  vi.spyOn(Atomics, "load").mockImplementation(look as typeof Atomics.load);
  expect(publishedMark(buffer)).toBe(46);
});
