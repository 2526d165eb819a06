// A thread at one end of a shared ring or table, on the built code. workerData: { role, ... }.
// Every record's bytes follow from its number, so a reader can tell a torn one from a whole one.
import { parentPort, workerData } from "node:worker_threads";
import { BroadcastReceiver, RECEIVED } from "../../dist/ring/broadcast-receiver.js";
import { BroadcastTransmitter } from "../../dist/ring/broadcast-transmitter.js";
import { MarketTableReader, MarketTableWriter } from "../../dist/ring/market-table.js";
import { readBook, readDefinition, readState } from "../../dist/ring/records.js";
import { createBook } from "../../dist/shared/market.js";

/** Words of `control`, an Int32Array that the threads share. */
const CONTROL = { stop: 0, read: 1, never: 2, laps: 3, moves: 4 };
const control = new Int32Array(workerData.control);

const hash = (number) => Math.imul(number, 0x9e3779b1) >>> 8;
/** Payload of a record in bytes: 8 to 1,024, in multiples of 8 and of no visible order. */
const sizeOf = (number) => 8 * (1 + (hash(number) & 127));

/**
 * Publishes until told to stop; with `ahead`, never more records ahead of the paced reader, with
 * `burst`, with a pause of a millisecond after each of up to so many batches: on a busy machine the
 * threads may have but one processor.
 */
function write({ ring, batch, ahead, burst }) {
  const transmitter = new BroadcastTransmitter(ring);
  const { u32 } = transmitter.words;
  let number = 0;
  let batches = 0;
  while (Atomics.load(control, CONTROL.stop) === 0) {
    if (ahead !== undefined) {
      while (number + batch > Atomics.load(control, CONTROL.read) + ahead) {
        if (Atomics.load(control, CONTROL.stop) !== 0) return number;
      }
    }
    for (let record = 0; record < batch; record++, number++) {
      const bytes = sizeOf(number);
      const at = transmitter.claim(1 + (number % 4), bytes) >>> 2;
      for (let word = 0; word < bytes >>> 2; word++) u32[at + word] = number + word;
    }
    transmitter.publish();
    if (burst !== undefined && batches-- <= 0) {
      Atomics.wait(control, CONTROL.never, 0, 1);
      batches = hash(number) % burst;
    }
  }
  return number;
}

/** Reads until the writer has stopped and all is read. `idleTurns` slows every batch down. */
function read({ ring, idleTurns, paced }, started) {
  const receiver = new BroadcastReceiver(ring);
  const { u32 } = receiver.words;
  const result = { received: 0, torn: 0, lapped: 0, first: undefined, last: undefined };
  started();
  for (;;) {
    const stopped = Atomics.load(control, CONTROL.stop) === 2;
    const found = receiver.receive();
    if (found === RECEIVED.lapped) result.lapped++;
    if (paced) Atomics.store(control, CONTROL.laps, result.lapped);
    if (found === RECEIVED.nothing && stopped) break;
    if (found !== RECEIVED.records) continue;
    for (let type = receiver.next(); type !== 0; type = receiver.next()) {
      const at = receiver.offset >>> 2;
      const number = u32[at];
      let whole = type === 1 + (number % 4) && receiver.length === sizeOf(number);
      for (let word = 1; word < receiver.length >>> 2; word++) {
        whole = u32[at + word] === (number + word) >>> 0 && whole;
      }
      if (!whole || (result.last !== undefined && number <= result.last)) result.torn++;
      result.first ??= number;
      result.last = number;
      result.received++;
      if (paced) Atomics.store(control, CONTROL.read, number + 1);
    }
    for (let turn = 0; turn < idleTurns; turn++) Atomics.load(control, CONTROL.stop);
  }
  return { ...result, laps: receiver.laps, lost: receiver.lost };
}

/** Rewrites all slots again and again; all fields of a slot follow from its number. */
function writeTable({ table, slots }) {
  const writer = new MarketTableWriter(table);
  const definition = (slot) => ({ marketId: slot, title: `m${slot}`, tickSize: 0.01, lotSize: 1 });
  const state = (slot, seq) => ({
    slot,
    status: ["Active", "Halted", "Closed"][seq % 3],
    changes: seq % 32,
    stateSeq: seq,
    priceSeq: seq + 1,
    price: seq + 2,
    bestBid: seq + 3,
    bestAsk: seq + 4,
    volume: seq + 5,
    ts: seq + 6,
  });
  for (let slot = 0; slot < slots; slot++) {
    const { title } = definition(slot);
    writer.list(definition(slot), new TextEncoder().encode(title), state(slot, 1), 0);
  }
  const book = createBook(20);
  let seq = 2;
  for (; Atomics.load(control, CONTROL.stop) === 0; seq++) {
    const levels = seq % 21;
    book.bids.length = levels;
    book.asks.length = 20 - levels;
    for (const side of [book.bids, book.asks]) side.price.fill(seq).fill(0, side.length);
    for (const side of [book.bids, book.asks]) side.quantity.fill(seq);
    for (let slot = 0; slot < slots; slot++) {
      writer.writeState(state(slot, seq), 0);
      writer.writeBook(slot, { seq, ts: seq, topSeq: seq, topTs: seq }, book, 0);
    }
  }
  return seq - 1;
}

function readTable({ table, slots, paced }, started) {
  const reader = new MarketTableReader(table);
  const state = {};
  const book = { ...createBook(), seq: 0, ts: 0 };
  const result = { reads: 0, torn: 0, moves: 0 };
  const seen = new Array(slots).fill(0);
  started();
  while (Atomics.load(control, CONTROL.stop) === 0) {
    const listed = reader.listed;
    for (let slot = 0; slot < listed; slot++) {
      reader.read(slot);
      readState(reader.words, reader.stateOffset, state);
      readBook(reader.words, reader.bookOffset, book);
      const { title, marketId } = readDefinition(reader.words, reader.definitionOffset);
      const { stateSeq: seq } = state;
      const sides = [book.bids, book.asks];
      const whole =
        state.slot === slot &&
        marketId === slot &&
        title === `m${slot}` &&
        state.priceSeq === seq + 1 &&
        state.price === seq + 2 &&
        state.bestBid === seq + 3 &&
        state.bestAsk === seq + 4 &&
        state.volume === seq + 5 &&
        state.ts === seq + 6 &&
        (seq === 1 || state.changes === seq % 32) &&
        // The book is written right after the state, under the lock once more.
        (book.seq === seq || book.seq === seq - 1 || seq <= 2) &&
        book.ts === book.seq &&
        (book.seq === 0 || book.bids.length === book.seq % 21) &&
        sides.every((side) => side.price.subarray(0, side.length).every((p) => p === book.seq)) &&
        sides.every((side) => side.quantity.subarray(0, side.length).every((q) => q === book.seq));
      if (!whole || seq < seen[slot]) result.torn++;
      if (seq > seen[slot]) result.moves++;
      seen[slot] = seq;
      result.reads++;
    }
    if (paced) Atomics.store(control, CONTROL.moves, result.moves);
  }
  return result;
}

const ROLES = { write, read, writeTable, readTable };
const result = ROLES[workerData.role](workerData, () => parentPort.postMessage("started"));
parentPort.postMessage({ result });
