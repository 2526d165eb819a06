// The load client's process: many raw connections, told over IPC what to do (see load-messages.ts).
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { constants, inflateRawSync } from "node:zlib";
import { build } from "hdr-histogram-js";
import { Unpackr } from "msgpackr";
import { protobufBatchCodec, protobufCodec } from "../../src/client/protobuf-codec.js";
import { type Encoding, negotiateEncoding } from "../../src/contract/encodings.js";
import { nowMicros } from "../../src/shared/clock.js";
import { latencyOf } from "./due-time.js";
import type { FrameTally } from "./frame-counter.js";
import { openConnection } from "./load-connection.js";
import type {
  IntervalReply,
  LoadReply,
  LoadRequest,
  OpenReply,
  OpenRequest,
} from "./load-messages.js";

/** One read takes at most this much; large, so that a busy connection costs few of them. */
const READ_BUFFER_BYTES = 256 * 1024;
const LATENCY_US_MAX = 600_000_000;
/** Before the first interval: rare enough to cost nothing at any rate. */
const IDLE_SAMPLE_EVERY = 997;

/** What senders leave out (RFC 7692, section 7.2.2). */
const DEFLATE_TAIL = Buffer.from("0000ffff", "hex");
const unpackr = new Unpackr({ useRecords: false, int64AsType: "auto" as "number" });
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
const latency = build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX });
const sockets = new Set<Socket>();

/** What all connections of this client speak. */
let encoding: Encoding = "json";
let batched = false;
let strays = 0;
let sample: string | undefined;
let lost: Record<string, number> = {};
let intervalStart = performance.now();
let cpuStart = process.cpuUsage();
let loopStart = performance.eventLoopUtilization();

/** What connections that are left out of the figures count. */
const aside: FrameTally = {
  frames: 0,
  payloadBytes: 0,
  untilSample: Number.POSITIVE_INFINITY,
  sampleEvery: Number.POSITIVE_INFINITY,
  sample: () => undefined,
};

const tally: FrameTally = {
  frames: 0,
  payloadBytes: 0,
  untilSample: IDLE_SAMPLE_EVERY,
  sampleEvery: IDLE_SAMPLE_EVERY,
  sample(chunk, start, end, compressed) {
    const now = nowMicros();
    const payload = chunk.subarray(start, end);
    const text = textOf(compressed ? inflate(payload) : payload);
    if (!text.startsWith('{"type":"PriceUpdate"')) {
      strays++;
      return;
    }
    latency.recordValue(Math.min(Math.max(latencyOf(text, now), 0), LATENCY_US_MAX));
    sample ??= text;
  },
};

function inflate(payload: Buffer): Buffer {
  const finishFlush = constants.Z_SYNC_FLUSH;
  return inflateRawSync(Buffer.concat([payload, DEFLATE_TAIL]), { finishFlush });
}

/** A message as JSON, whatever its encoding; of a batch the first. */
function textOf(payload: Buffer): string {
  if (batched) {
    const [message] = [decodedBatch(payload)].flat();
    return JSON.stringify(message);
  }
  switch (encoding) {
    case "json":
      return payload.toString("latin1");
    case "msgpack":
      return JSON.stringify(unpackr.unpack(payload));
    case "protobuf":
      return JSON.stringify(protobufCodec.decode(payload));
  }
}

function decodedBatch(payload: Buffer): unknown {
  if (encoding === "json") return JSON.parse(payload.toString("latin1"));
  return encoding === "msgpack" ? unpackr.unpack(payload) : protobufBatchCodec.decode(payload);
}

function open(request: OpenRequest): Promise<OpenReply> {
  encoding =
    negotiateEncoding(request.subprotocol === undefined ? [] : [request.subprotocol]) ?? encoding;
  batched = request.batched === true;
  const start = performance.now();
  const { count, concurrency = count } = request;
  return new Promise((resolve) => {
    let started = 0;
    let arrived = 0;
    let underway = 0;
    let done = false;
    const finish = (): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      resolve({ kind: "opened", opened: arrived, elapsedMs: performance.now() - start });
    };
    const timer = setTimeout(finish, request.timeoutMs);
    const arrive = (): void => {
      arrived++;
      underway--;
      if (arrived === count) finish();
      else if (!done) startMore();
    };
    const startMore = (): void => {
      while (started < count && underway < concurrency) {
        const index = started++;
        underway++;
        const counted = request.slow === true ? aside : tally;
        const message = request.subscribe?.[index % request.subscribe.length];
        const one = { ...request, subscribe: message };
        const socket = openConnection(one, readBuffer, counted, {
          upgraded: () => request.until === "upgrade" && arrive(),
          firstPush: () => request.until === "first-push" && arrive(),
          lost: (reason) => {
            if (sockets.delete(socket)) lost[reason] = (lost[reason] ?? 0) + 1;
          },
        });
        sockets.add(socket);
      }
    };
    startMore();
  });
}

function endInterval(sampleEvery: number): IntervalReply {
  const now = performance.now();
  const seconds = (now - intervalStart) / 1000;
  const cpu = process.cpuUsage(cpuStart);
  const reply: IntervalReply = {
    kind: "interval",
    seconds,
    frames: tally.frames,
    payloadBytes: tally.payloadBytes,
    latency: {
      samples: latency.totalCount,
      p50: latency.getValueAtPercentile(50),
      p99: latency.getValueAtPercentile(99),
      p999: latency.getValueAtPercentile(99.9),
      max: latency.maxValue,
    },
    strays,
    sample,
    lost,
    cpuCores: (cpu.user + cpu.system) / 1e6 / seconds,
    idle: 1 - performance.eventLoopUtilization(loopStart).utilization,
  };
  intervalStart = now;
  cpuStart = process.cpuUsage();
  loopStart = performance.eventLoopUtilization();
  tally.frames = tally.payloadBytes = strays = 0;
  tally.sampleEvery = tally.untilSample = sampleEvery;
  latency.reset();
  sample = undefined;
  lost = {};
  return reply;
}

/** Resets every connection, so that none lingers in TIME_WAIT. */
function closeAll(): void {
  for (const socket of sockets) socket.resetAndDestroy();
  sockets.clear();
}

async function answer(request: LoadRequest): Promise<LoadReply> {
  if (request.kind === "open") return await open(request);
  if (request.kind === "interval") return endInterval(request.sampleEvery);
  closeAll();
  return { kind: "closed" };
}

process.on("message", async (request: LoadRequest) => {
  process.send?.(await answer(request));
});
process.on("disconnect", () => process.exit());
