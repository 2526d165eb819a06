import { parentPort, workerData } from "node:worker_threads";
import { BroadcastReceiver, RECEIVED } from "../src/ring/broadcast-receiver.js";
import { nowMicros } from "../src/shared/clock.js";
import {
  POSITION_STRIDE,
  pause,
  type ReaderInput,
  type RingThreadMessage,
} from "./ring-messages.js";

const { ring, positions, index, records } = workerData as ReaderInput;
const receiver = new BroadcastReceiver(ring);
const position = new Int32Array(positions);

/** Whether the current record is the one with that number, in every word of it. */
function isRecord(number: number): boolean {
  const { words, offset, length } = receiver;
  const at = offset >>> 3;
  let sound = length >= 8;
  for (let word = 0; word < length >>> 3; word++)
    sound = words.f64[at + word] === number + word && sound;
  return sound;
}

function readAll(): { received: number; wrong: number } {
  let received = 0;
  let wrong = 0;
  while (received < records) {
    const found = receiver.receive();
    if (found === RECEIVED.lapped) break;
    if (found === RECEIVED.nothing) {
      pause();
      continue;
    }
    while (receiver.next() !== 0) {
      if (!isRecord(received)) wrong++;
      received++;
    }
    Atomics.store(position, index * POSITION_STRIDE, received);
  }
  // One that gives up after a lap must not hold the producer back.
  Atomics.store(position, index * POSITION_STRIDE, records);
  return { received, wrong };
}

parentPort?.postMessage({ kind: "ready" } satisfies RingThreadMessage);
const result = readAll();
parentPort?.postMessage({
  kind: "read",
  ...result,
  laps: receiver.laps,
  endedAt: nowMicros(),
} satisfies RingThreadMessage);
