import { parentPort, workerData } from "node:worker_threads";
import { BroadcastTransmitter } from "../src/ring/broadcast-transmitter.js";
import { alignToUnit, RECORD, RECORD_HEADER_BYTES } from "../src/ring/layout.js";
import { nowMicros } from "../src/shared/clock.js";
import {
  POSITION_STRIDE,
  type ProducerInput,
  pause,
  type RingThreadMessage,
} from "./ring-messages.js";

const { ring, positions, readers, records, batch, payloadBytes } = workerData as ProducerInput;
const transmitter = new BroadcastTransmitter(ring);
const { f64 } = transmitter.words;
const read = new Int32Array(positions);
const recordBytes = alignToUnit(RECORD_HEADER_BYTES + payloadBytes);
/** Half the ring: the bench holds the producer back, which the ring itself never does. */
const aheadMax = Math.floor(transmitter.words.bytes.length / recordBytes / 2);

function slowest(): number {
  let least = records;
  for (let reader = 0; reader < readers; reader++) {
    least = Math.min(least, Atomics.load(read, reader * POSITION_STRIDE));
  }
  return least;
}

function write(record: number): void {
  const at = transmitter.claim(RECORD.state, payloadBytes) >>> 3;
  for (let word = 0; word < payloadBytes >>> 3; word++) f64[at + word] = record + word;
}

function produce(): void {
  let limit = aheadMax;
  let record = 0;
  while (record < records) {
    const end = Math.min(record + batch, records);
    while (end > limit) {
      limit = slowest() + aheadMax;
      if (end > limit) pause();
    }
    while (record < end) write(record++);
    transmitter.publish();
  }
}

const startedAt = nowMicros();
produce();
parentPort?.postMessage({ kind: "produced", startedAt } satisfies RingThreadMessage);
