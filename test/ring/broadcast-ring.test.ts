import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BroadcastReceiver, RECEIVED } from "../../src/ring/broadcast-receiver.js";
import { BroadcastTransmitter, createRingBuffer } from "../../src/ring/broadcast-transmitter.js";
import {
  alignToUnit,
  RECORD,
  RECORD_HEADER_BYTES,
  RING_CAPACITY_MIN,
  RING_HEADER_BYTES,
  recordBytesMax,
  TAIL_INTENT_WORD,
  TAIL_WORD,
} from "../../src/ring/layout.js";

const CAPACITY = RING_CAPACITY_MIN;
const PAYLOAD_MAX = recordBytesMax(CAPACITY) - RECORD_HEADER_BYTES;
/** The transmitter announces up to this many bytes more than it has claimed. */
const STRIDE_MAX = CAPACITY / 16;

/** Writes a record of `bytes` whose content follows from its number. */
function write(transmitter: BroadcastTransmitter, number: number, bytes: number): void {
  const type = 1 + (number % 4);
  const offset = transmitter.claim(type, bytes);
  expect(offset % 8).toBe(0);
  transmitter.words.bytes.fill(number & 0xff, offset, offset + bytes);
}

/** The number of records in the receiver's batch, each of which must be the next by its content. */
function readBatch(receiver: BroadcastReceiver, first: number, sizes: readonly number[]): number {
  let number = first;
  for (let type = receiver.next(); type !== 0; type = receiver.next()) {
    const { offset, length, words } = receiver;
    expect({ number, type, length }).toEqual({
      number,
      type: 1 + (number % 4),
      length: sizes[number],
    });
    expect(offset % 8).toBe(0);
    const content = words.bytes.subarray(offset, offset + length);
    expect(content.every((byte) => byte === (number & 0xff))).toBe(true);
    number++;
  }
  return number - first;
}

/** The obvious model: all records in a list, and where in the list each byte position is. */
class Model {
  readonly sizes: number[] = [];
  /** Byte position of the end of each record, padding included. */
  readonly #ends: number[] = [];
  #position = 0;
  published = 0;

  add(bytes: number): void {
    const length = alignToUnit(RECORD_HEADER_BYTES + bytes);
    const room = CAPACITY - (this.#position % CAPACITY);
    this.#position += room < length ? room + length : length;
    this.sizes.push(bytes);
    this.#ends.push(this.#position);
  }

  publish(): void {
    this.published = this.sizes.length;
  }

  /** How far the writing is ahead of the start of the record that comes after `read` ones. */
  ahead(read: number): number {
    return this.#position - (read === 0 ? 0 : (this.#ends[read - 1] as number));
  }
}

/** A receiver together with what it must have seen by now. */
class Follower {
  readonly #receiver: BroadcastReceiver;
  readonly #model: Model;
  /** Number of the next record that it must get. */
  #next: number;
  #received = 0;
  #laps = 0;
  #lost = 0;

  constructor(buffer: SharedArrayBuffer, model: Model) {
    this.#receiver = new BroadcastReceiver(buffer);
    this.#model = model;
    this.#next = model.published;
  }

  poll(): void {
    const ahead = this.#model.ahead(this.#next);
    const found = this.#receiver.receive();
    if (found === RECEIVED.lapped) {
      // Never without need, but for what is announced ahead of its writing.
      expect(ahead + STRIDE_MAX).toBeGreaterThan(CAPACITY);
      this.#laps++;
      if (this.#received > 0) this.#lost += this.#model.published - this.#next;
      this.#next = this.#model.published;
    } else if (found === RECEIVED.nothing) {
      expect(this.#next).toBe(this.#model.published);
    } else {
      // Whatever is delivered had not been overwritten.
      expect(ahead).toBeLessThanOrEqual(CAPACITY);
      const read = readBatch(this.#receiver, this.#next, this.#model.sizes);
      this.#next += read;
      this.#received += read;
      if (read > 0) expect(this.#receiver.recordNumber).toBe(this.#next);
    }
    expect(this.#receiver.laps).toBe(this.#laps);
  }

  /** Reads all there is. */
  drain(): void {
    // A batch has at least one record, or padding before one.
    const polls = 2 * (this.#model.published - this.#next) + 2;
    for (let poll = 0; poll < polls; poll++) this.poll();
    expect(this.#next).toBe(this.#model.published);
  }

  /** Reads one record more, with which all losses before it are counted. */
  finish(): void {
    this.drain();
    expect(this.#receiver.lost).toBe(this.#lost);
  }
}

describe("broadcast ring", () => {
  it("broadcast ring - a reader may begin with the first record, and counts what it has lost of all", () => {
    const buffer = createRingBuffer(CAPACITY);
    const transmitter = new BroadcastTransmitter(buffer);
    for (let number = 0; number < 3; number++) write(transmitter, number, 8);
    transmitter.publish();
    const fromStart = new BroadcastReceiver(buffer, "start");
    expect(fromStart.receive()).toBe(RECEIVED.records);
    expect(readBatch(fromStart, 0, [8, 8, 8])).toBe(3);
    expect(new BroadcastReceiver(buffer).receive()).toBe(RECEIVED.nothing);

    const late = new BroadcastReceiver(buffer, "start");
    const records = CAPACITY / 8;
    for (let number = 3; number < records; number++) {
      write(transmitter, number, 8);
      transmitter.publish();
    }
    expect(late.receive()).toBe(RECEIVED.lapped);
    write(transmitter, records, 8);
    transmitter.publish();
    expect(late.receive()).toBe(RECEIVED.records);
    expect(late.next()).not.toBe(0);
    expect(late.lost).toBe(records);
  });

  it("broadcast ring - a record is seen when it is published, and not before", () => {
    const buffer = createRingBuffer(CAPACITY);
    const transmitter = new BroadcastTransmitter(buffer);
    const receiver = new BroadcastReceiver(buffer);
    write(transmitter, 0, 24);
    expect(receiver.receive()).toBe(RECEIVED.nothing);
    write(transmitter, 1, 3);
    transmitter.publish();
    expect(receiver.receive()).toBe(RECEIVED.records);
    expect(readBatch(receiver, 0, [24, 3])).toBe(2);
    expect(receiver.receive()).toBe(RECEIVED.nothing);
    expect(transmitter.recordNumber).toBe(2);
  });

  it("broadcast ring - a reader starts with the next record published", () => {
    const buffer = createRingBuffer(CAPACITY);
    const transmitter = new BroadcastTransmitter(buffer);
    for (let number = 0; number < 5; number++) write(transmitter, number, 8);
    transmitter.publish();
    const receiver = new BroadcastReceiver(buffer);
    expect(receiver.backlog).toBe(0);
    write(transmitter, 5, 8);
    transmitter.publish();
    expect(receiver.backlog).toBeCloseTo(16 / CAPACITY, 10);
    expect(receiver.receive()).toBe(RECEIVED.records);
    expect(readBatch(receiver, 5, [0, 0, 0, 0, 0, 8])).toBe(1);
  });

  it("broadcast ring - takes records of any size up to an eighth of it, and none larger", () => {
    const transmitter = new BroadcastTransmitter(createRingBuffer(CAPACITY));
    expect(transmitter.recordBytesMax).toBe(CAPACITY / 8);
    expect(() => transmitter.claim(RECORD.state, PAYLOAD_MAX)).not.toThrow();
    expect(() => transmitter.claim(RECORD.state, PAYLOAD_MAX + 1)).toThrow(RangeError);
    // What was refused has left no trace.
    expect(transmitter.recordNumber).toBe(1);
  });

  it("broadcast ring - follows the model for any sizes, batches and readers", () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 200 }),
      fc.integer({ min: 0, max: PAYLOAD_MAX }),
      fc.constantFrom(0, 1, 7, 8, PAYLOAD_MAX),
    );
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ write: fc.array(size, { maxLength: 12 }) }) },
      {
        weight: 4,
        arbitrary: fc.record({ poll: fc.nat(2), times: fc.integer({ min: 1, max: 6 }) }),
      },
      { weight: 1, arbitrary: fc.record({ join: fc.nat(2) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 80 }), (steps) => {
        const buffer = createRingBuffer(CAPACITY);
        const transmitter = new BroadcastTransmitter(buffer);
        const model = new Model();
        const followers = [0, 1, 2].map(() => new Follower(buffer, model));
        const publish = (sizes: readonly number[]): void => {
          for (const bytes of sizes) {
            write(transmitter, model.sizes.length, bytes);
            model.add(bytes);
          }
          transmitter.publish();
          model.publish();
        };
        for (const one of steps) {
          if ("write" in one) publish(one.write);
          else if ("join" in one) followers[one.join] = new Follower(buffer, model);
          else for (let time = 0; time < one.times; time++) followers[one.poll]?.poll();
        }
        for (const follower of followers) follower.drain();
        publish([8]);
        for (const follower of followers) follower.finish();
      }),
      { numRuns: 150 },
    );
  });

  it("broadcast ring - a lap is counted once, with every record that it skipped", () => {
    const buffer = createRingBuffer(CAPACITY);
    const transmitter = new BroadcastTransmitter(buffer);
    const receiver = new BroadcastReceiver(buffer);
    const sizes: number[] = [];
    const publish = (records: number): void => {
      for (let record = 0; record < records; record++) {
        write(transmitter, sizes.length, 56);
        sizes.push(56);
      }
      transmitter.publish();
    };
    publish(10);
    expect(receiver.receive()).toBe(RECEIVED.records);
    expect(readBatch(receiver, 0, sizes)).toBe(10);
    for (let lap = 1; lap <= 3; lap++) {
      // The ring holds 1024 of them; how often it is overwritten makes no difference.
      publish(1025 * lap);
      expect(receiver.receive()).toBe(RECEIVED.lapped);
      expect(receiver.laps).toBe(lap);
      expect(receiver.receive()).toBe(RECEIVED.nothing);
      publish(1);
      expect(receiver.receive()).toBe(RECEIVED.records);
      expect(readBatch(receiver, sizes.length - 1, sizes)).toBe(1);
      expect(receiver.lost).toBe(1025 * ((lap * (lap + 1)) / 2));
    }
  });

  it("broadcast ring - a lap before the first record counts no loss that nobody knows", () => {
    const buffer = createRingBuffer(CAPACITY);
    const transmitter = new BroadcastTransmitter(buffer);
    for (let number = 0; number < 500; number++) write(transmitter, number, 56);
    transmitter.publish();
    const receiver = new BroadcastReceiver(buffer);
    for (let number = 500; number < 2000; number++) write(transmitter, number, 56);
    transmitter.publish();
    expect(receiver.receive()).toBe(RECEIVED.lapped);
    write(transmitter, 2000, 56);
    transmitter.publish();
    expect(receiver.receive()).toBe(RECEIVED.records);
    expect(receiver.next()).toBe(1 + (2000 % 4));
    expect(receiver).toMatchObject({ laps: 1, lost: 0 });
  });

  it("broadcast ring - a record with another number than the next is never delivered", () => {
    const buffer = createRingBuffer(CAPACITY);
    const transmitter = new BroadcastTransmitter(buffer);
    const receiver = new BroadcastReceiver(buffer);
    for (let number = 0; number < 4; number++) write(transmitter, number, 8);
    transmitter.publish();
    // As a torn copy would look: the third record is of another time.
    new Uint32Array(buffer, RING_HEADER_BYTES)[2 * 4 + 1] = 1234;
    expect(receiver.receive()).toBe(RECEIVED.records);
    expect([receiver.next(), receiver.next(), receiver.next()]).toEqual([1, 2, 0]);
    expect(receiver.receive()).toBe(RECEIVED.lapped);
    expect(receiver.laps).toBe(1);
    write(transmitter, 4, 8);
    transmitter.publish();
    expect(receiver.receive()).toBe(RECEIVED.records);
    expect(receiver.next()).toBe(1);
    expect(receiver.lost).toBe(2);
  });

  it("broadcast ring - what is announced as overwritten is not delivered, though it still stands", () => {
    const buffer = createRingBuffer(CAPACITY);
    const transmitter = new BroadcastTransmitter(buffer);
    const receiver = new BroadcastReceiver(buffer);
    write(transmitter, 0, 8);
    transmitter.publish();
    const header = new Int32Array(buffer, 0, RING_HEADER_BYTES / 4);
    // The producer says that it is about to overwrite the first unit, and has not begun.
    Atomics.store(header, TAIL_INTENT_WORD, CAPACITY / 8 + 1);
    expect(receiver.receive()).toBe(RECEIVED.lapped);
    expect(Atomics.load(header, TAIL_WORD)).toBe(2);
  });

  it.each([
    ["2^31, where they turn negative", 2 ** 31],
    ["2^32, where they start again", 2 ** 32],
  ])("broadcast ring - positions go on past %s", (_, wrap) => {
    const buffer = createRingBuffer(CAPACITY);
    const transmitter = new BroadcastTransmitter(buffer);
    // The largest records get there fastest: their payload need not be written.
    const unitsEach = CAPACITY / 8 / 8;
    for (let units = 0; units < wrap - 4 * unitsEach; units += unitsEach) {
      transmitter.claim(RECORD.state, PAYLOAD_MAX);
    }
    transmitter.publish();
    const fast = new BroadcastReceiver(buffer);
    const slow = new BroadcastReceiver(buffer);
    const first = transmitter.recordNumber;
    const sizes: number[] = [];
    let read = 0;
    for (let record = 0; record < 400; record++) {
      const bytes = 100 + ((record * 37) % 300);
      sizes[first + record] = bytes;
      write(transmitter, first + record, bytes);
      if (record % 5 !== 4) continue;
      transmitter.publish();
      while (fast.receive() === RECEIVED.records) read += readBatch(fast, first + read, sizes);
      expect(read).toBe(record + 1);
      expect(fast.backlog).toBe(0);
    }
    expect(fast).toMatchObject({ laps: 0, lost: 0 });
    // Another reader stands on the far side of the wrap, less than a ring behind, and then more.
    const tail = new Uint32Array(buffer)[TAIL_WORD] as number;
    expect(tail).toBeLessThan(wrap === 2 ** 32 ? 2 ** 31 : 2 ** 32);
    expect(slow.backlog).toBeGreaterThan(1);
    expect(slow.receive()).toBe(RECEIVED.lapped);
    write(transmitter, first + 400, 8);
    sizes[first + 400] = 8;
    transmitter.publish();
    expect(slow.receive()).toBe(RECEIVED.records);
    expect(readBatch(slow, first + 400, sizes)).toBe(1);
  });

  it("broadcast ring - record numbers go on past 2^32", () => {
    const buffer = createRingBuffer(CAPACITY);
    const header = new Int32Array(buffer, 0, RING_HEADER_BYTES / 4);
    const words = new Uint32Array(buffer, RING_HEADER_BYTES);
    const receiver = new BroadcastReceiver(buffer);
    const numbers = [0xffff_fffe, 0xffff_ffff, 0, 1];
    for (const [index, number] of numbers.entries()) {
      words[index * 2] = (RECORD.state << 24) | RECORD_HEADER_BYTES;
      words[index * 2 + 1] = number;
    }
    Atomics.store(header, TAIL_INTENT_WORD, numbers.length);
    Atomics.store(header, TAIL_WORD, numbers.length);
    expect(receiver.receive()).toBe(RECEIVED.records);
    for (const number of numbers) {
      expect(receiver.next()).toBe(RECORD.state);
      expect(receiver.recordNumber).toBe((number + 1) >>> 0);
    }
    expect(receiver.next()).toBe(0);
    expect(receiver.laps).toBe(0);
  });
});
