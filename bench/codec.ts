import { Packr } from "msgpackr";
import { decodeClientMessage } from "../src/codec/decode.js";
import { encodingNamed } from "../src/codec/encodings.js";
import { FRAME, FrameWriter } from "../src/codec/frame-writer.js";
import type { PushEncoder } from "../src/codec/push-encoder.js";
import type { Encoding } from "../src/contract/encodings.js";
import { CLIENT_MESSAGE, SERVER_MESSAGE } from "../src/contract/protobuf/protobuf-messages.js";
import { readProtobuf } from "../src/contract/protobuf/protobuf-reader.js";
import { writeProtobuf } from "../src/contract/protobuf/protobuf-writer.js";
import { SAMPLE_COUNT, type Sample, samples } from "./codec-samples.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { nanosecondsPerCall } from "./support/micro-benchmark.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";

/** Most bytes of a `PriceUpdate` in Protocol Buffers, the head of its frame with them. */
const BYTES_MAX = 60;
/** More than any message here has. */
const VALUES_MAX = 4096;
/** Messages between two resets of the frame writer, as in a busy round of a shard. */
const FRAMES_PER_RESET = 256;

interface Row {
  readonly message: string;
  readonly encoding: Encoding;
  readonly bytes: number;
  readonly nanoseconds: number;
  readonly baseline: string;
  readonly baselineNanoseconds: number | undefined;
}

/** One kind of push: how the server encodes it, and the plain object that a library is given. */
interface Push {
  readonly name: string;
  encode(encoder: PushEncoder, out: FrameWriter, sample: Sample): void;
  toObject(sample: Sample): unknown;
}

const PUSHES: readonly Push[] = [
  {
    name: "PriceUpdate",
    encode: (encoder, out, { market }) => encoder.priceUpdate(out, market),
    toObject: ({ market: { marketId, priceScale, price, bestBid, bestAsk, priceSeq, ts } }) => ({
      type: "PriceUpdate",
      data: {
        market_id: marketId,
        price: priceScale.toNumber(price),
        best_bid: priceScale.toNumber(bestBid),
        best_ask: priceScale.toNumber(bestAsk),
        seq: priceSeq,
        ts,
      },
    }),
  },
  {
    name: "MarketUpdate",
    encode: (encoder, out, { market }) => encoder.marketUpdate(out, market, "Price"),
    toObject: ({ market }) => ({
      type: "MarketUpdate",
      data: {
        update_type: "Price",
        market: {
          market_id: market.marketId,
          title: market.title,
          status: market.status,
          price: market.priceScale.toNumber(market.price),
          best_bid: market.priceScale.toNumber(market.bestBid),
          best_ask: market.priceScale.toNumber(market.bestAsk),
          volume: market.quantityScale.toNumber(market.volume),
          tick_size: market.priceScale.step,
          lot_size: market.quantityScale.step,
          seq: market.stateSeq,
          ts: market.ts,
        },
      },
    }),
  },
  {
    name: "OrderBook",
    encode: (encoder, out, { market, book }) => encoder.orderBook(out, market, book),
    toObject: ({ market: { marketId, priceScale, quantityScale }, book }) => {
      const levels = (side: Sample["book"]["bids"]): number[][] =>
        Array.from({ length: side.length }, (_, level) => [
          priceScale.toNumber(side.price[level] as number),
          quantityScale.toNumber(side.quantity[level] as number),
        ]);
      return {
        type: "OrderBook",
        data: {
          market_id: marketId,
          bids: levels(book.bids),
          asks: levels(book.asks),
          seq: book.seq,
          ts: book.ts,
        },
      };
    },
  },
];

/** Measures encoding and decoding, beside `JSON`, msgpackr, and Protocol Buffers by their tables. */
export async function runCodec({ short }: BenchOptions): Promise<BenchReport> {
  const milliseconds = short ? 50 : 500;
  const data = samples();
  const rows = [
    ...PUSHES.flatMap((push) => measurePush(push, data, milliseconds)),
    ...measureDecode(milliseconds),
  ];
  console.log(
    formatTable(
      ["message", "encoding", "bytes", "ns", "baseline ns", "faster", "baseline"],
      rows.map(({ message, encoding, bytes, nanoseconds, baseline, baselineNanoseconds }) => [
        message,
        encoding,
        bytes,
        Math.round(nanoseconds),
        baselineNanoseconds === undefined ? undefined : Math.round(baselineNanoseconds),
        baselineNanoseconds === undefined
          ? undefined
          : `${(baselineNanoseconds / nanoseconds).toFixed(1)} ×`,
        baseline,
      ]),
    ),
  );
  const price = (name: Encoding) =>
    rows.find(({ message, encoding }) => message === "PriceUpdate" && encoding === name) as Row;
  const timesFaster = price("msgpack").nanoseconds / price("protobuf").nanoseconds;
  const targets = [
    atMost("PriceUpdate in Protocol Buffers", price("protobuf").bytes, BYTES_MAX, " bytes"),
    atLeast("its encoding, × MessagePack's speed", timesFaster, 1),
  ];
  console.log(`\n${formatTargets(targets)}`);
  return {
    parameters: { millisecondsPerRow: milliseconds, samples: SAMPLE_COUNT },
    results: { rows },
    targets,
  };
}

function measurePush(push: Push, data: readonly Sample[], milliseconds: number): Row[] {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  const sampleAt = (index: number): Sample => data[index % SAMPLE_COUNT] as Sample;
  const encodings = [
    {
      encoding: "json",
      baseline: "object, JSON.stringify, Buffer.from",
      encode: (value: unknown) => Buffer.from(JSON.stringify(value)).length,
    },
    {
      encoding: "msgpack",
      baseline: "object, msgpackr pack",
      encode: (value: unknown) => packr.pack(value).length,
    },
    {
      encoding: "protobuf",
      baseline: "object, tables, @bufbuild/protobuf",
      encode: (value: unknown) => writeProtobuf(SERVER_MESSAGE, value as object).length,
    },
  ] as const;
  return encodings.map(({ encoding, baseline, encode }) => {
    const { encoder, frames } = encodingNamed(encoding);
    const out = new FrameWriter();
    const write = (sample: Sample): number => {
      out.begin();
      push.encode(encoder, out, sample);
      return out.end(FRAME[frames]);
    };
    const start = write(sampleAt(0));
    const bytes = out.position - start;
    return {
      message: push.name,
      encoding,
      bytes,
      nanoseconds: nanosecondsPerCall(milliseconds, (index) => {
        if (index % FRAMES_PER_RESET === 0) out.reset();
        return write(sampleAt(index));
      }),
      baseline,
      baselineNanoseconds: nanosecondsPerCall(milliseconds, (index) =>
        encode(push.toObject(sampleAt(index))),
      ),
    };
  });
}

/** Decoding of a `Subscribe`, schema check included, beside parsing alone. */
function measureDecode(milliseconds: number): Row[] {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  const subscribe = {
    type: "Subscribe",
    id: 7,
    data: {
      channels: [
        { type: "Markets", params: { filter: { status: "Active", search: "rain" } } },
        { type: "PriceFeed", params: { market_ids: [1001, 1002, 1003, 1004, 1005] } },
      ],
    },
  };
  const text = Buffer.from(JSON.stringify(subscribe));
  const packed = Buffer.from(packr.pack(subscribe));
  const protobuf = Buffer.from(writeProtobuf(CLIENT_MESSAGE, subscribe));
  return (
    [
      {
        encoding: "json",
        payload: text,
        baseline: "JSON.parse",
        parse: () => JSON.parse(text.toString("utf8")),
      },
      {
        encoding: "msgpack",
        payload: packed,
        baseline: "msgpackr unpack",
        parse: () => packr.unpack(packed),
      },
      {
        encoding: "protobuf",
        payload: protobuf,
        baseline: "tables, @bufbuild/protobuf",
        parse: () => readProtobuf(CLIENT_MESSAGE, protobuf),
      },
    ] as const
  ).map(({ encoding, payload, baseline, parse }) => {
    const { fault } = decodeClientMessage(encodingNamed(encoding), payload, VALUES_MAX);
    if (fault !== undefined) throw new Error(`codec: the sample does not decode: ${fault.message}`);
    return {
      message: "Subscribe (decode)",
      encoding,
      bytes: payload.length,
      nanoseconds: nanosecondsPerCall(milliseconds, () =>
        decodeClientMessage(encodingNamed(encoding), payload, VALUES_MAX).fault ? 0 : 1,
      ),
      baseline,
      baselineNanoseconds: nanosecondsPerCall(milliseconds, () => (parse() === null ? 0 : 1)),
    };
  });
}
