import { deflateRawSync } from "node:zlib";
import { ENCODINGS, type Encoding } from "../../src/contract/encodings.js";
import { progress } from "../support/progress.js";
import type { Offer } from "../support/server-under-test.js";
import { formatTable } from "../support/table.js";
import { atMost } from "../support/target-checks.js";
import { runTrial, type TrialResult } from "../support/trial.js";
import { offerOf, ratio, type Section, trialOf } from "./section.js";

const CONNECTIONS = 50;
const MARKETS = 50;
const DELAY_MS = 50;
const BATCH_SIZES = [1, 8, 50];
const FRAMINGS: Readonly<Record<string, Offer["framing"]>> = {
  plain: undefined,
  batched: { batched: true },
  "batched, compressed": { batched: true, compression: true },
  [`batched, ${DELAY_MS} ms`]: { batched: true, delayMs: DELAY_MS },
  [`batched, compressed, ${DELAY_MS} ms`]: {
    batched: true,
    compression: true,
    delayMs: DELAY_MS,
  },
};
const TARGET = `batched, compressed, ${DELAY_MS} ms`;

/** Bytes and time of a delivery in plain frames, in batches and compressed, by rate and encoding. */
export const measureFraming: Section = async ({ parameters, messageBytes }) => {
  const results: Record<string, TrialResult> = {};
  const rows: (string | number)[][] = [];
  for (const rate of parameters.framingRates) {
    for (const encoding of ENCODINGS) {
      for (const [name, framing] of Object.entries(FRAMINGS)) {
        progress(`framing: ${rate} updates/s, ${encoding}, ${name}`);
        const offer = {
          ...offerOf(parameters, messageBytes, rate),
          markets: MARKETS,
          encoding,
          ...(framing !== undefined && { framing }),
        };
        const trial = trialOf(parameters, "marketcast", { offer });
        const result = await runTrial({ ...trial, connections: CONNECTIONS });
        results[nameOf(rate, encoding, name)] = result;
        rows.push([
          rate,
          encoding,
          name,
          result.messagesPerFrame.toFixed(1),
          result.messageBytes.toFixed(1),
          result.serverMicrosPerDelivery.toFixed(2),
          (result.latency.p50 / 1000).toFixed(1),
        ]);
      }
    }
  }
  const headings = ["updates/s", "encoding", "frames", "a frame", "bytes", "CPU µs", "p50 ms"];
  console.log(
    `each of a delivery, to ${CONNECTIONS} connections\n${formatTable(headings, rows)}\n`,
  );
  const { sample = "" } = results[nameOf(1000, "json", "plain")] ?? {};
  console.log(ratiosTable(sample));
  const bytes = (name: string) => results[nameOf(1000, "json", name)]?.messageBytes;
  return {
    results,
    targets: [
      atMost(
        "bytes of a delivery in compressed batches at 1,000 updates/s, × plain JSON",
        ratio(bytes(TARGET), bytes("plain")),
        0.2,
      ),
    ],
  };
};

function nameOf(rate: number, encoding: Encoding, framing: string): string {
  return `${rate} ${encoding} ${framing}`;
}

/** How much smaller batches of so many messages become, made of one whose numbers vary. */
function ratiosTable(sample: string): string {
  const rows = BATCH_SIZES.map((size) => {
    const batch = JSON.stringify(Array.from({ length: size }, (_, index) => varied(sample, index)));
    const deflated = deflateRawSync(batch).length;
    return [size, batch.length, deflated, (batch.length / deflated).toFixed(1)];
  });
  return `${formatTable(["JSON messages", "bytes", "compressed", "ratio"], rows)}\n`;
}

/** The message as another market would have it, later. */
function varied(sample: string, index: number): unknown {
  const message = JSON.parse(sample);
  const { data } = message;
  return {
    ...message,
    data: {
      ...data,
      market_id: data.market_id + ((index * 7919) % MARKETS),
      best_bid: data.best_bid + index * 997,
      seq: data.seq + index * 13,
      ts: data.ts + index * 1009,
    },
  };
}
