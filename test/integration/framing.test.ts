import { spawn, spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MarketcastClient } from "../../src/client/node.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { CHROMIUM, launchChromium } from "../support/chromium.js";
import { maskedFrame } from "../support/client-frames.js";
import { PYTHON } from "../support/every-message.js";
import { answerTo, handshakeText, RawConnection } from "../support/raw-connection.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { temporaryDirectory } from "../support/trading.js";

const MESSAGE_BYTES_MAX = 65_536;
const DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
const PROTO = fileURLToPath(new URL("../../proto/marketcast.proto", import.meta.url));
const PYTHON_CLIENT = fileURLToPath(new URL("../support/framing-client.py", import.meta.url));
const IDS = Array.from({ length: 50 }, (_, index) => 1001 + index);
const PRICES = { type: "PriceFeed", params: { market_ids: IDS } } as const;
const RSV1 = 4;

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({
    shards: 1,
    compression: "on",
    "batch-delay": 20,
    "feed-markets": 50,
    "feed-rate": 5000,
    "max-message-size": MESSAGE_BYTES_MAX,
    "max-messages-per-second": 100_000,
    "max-messages-per-second-per-address": 100_000,
  });
});
afterAll(() => server.dispose());

/** As a client does it (RFC 7692, section 7.2.1). */
function deflated(payload: string | Buffer): Buffer {
  const bytes = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH });
  return bytes.subarray(0, bytes.length - 4);
}

/** A raw connection that has been upgraded, with compression where `lines` offer it. */
async function upgraded(...lines: readonly string[]): Promise<RawConnection> {
  const raw = await RawConnection.connect(server.port);
  const { status } = await raw.send(handshakeText("/ws/v3", ...lines)).answer(false);
  expect(status).toBe(101);
  return raw;
}

/** What a raw connection is sent until the close frame: the texts, and the code. */
async function saidUntilEnd(raw: RawConnection): Promise<{ texts: string[]; code: number }> {
  const texts: string[] = [];
  for (;;) {
    const [head = 0, short = 0] = await raw.take(2);
    const length = short === 126 ? (await raw.take(2)).readUInt16BE(0) : short;
    const payload = await raw.take(length);
    if (head === 0x81) texts.push(String(payload));
    if (head !== 0x88) continue;
    raw.destroy();
    return { texts, code: payload.readUInt16BE(0) };
  }
}

describe("batches and compression", () => {
  it.each(
    ENCODINGS.flatMap((encoding) =>
      [true, false].flatMap((batch) =>
        [true, false].map((compression) => ({ encoding, batch, compression })),
      ),
    ),
  )(
    "framing - any client reads $encoding, batch $batch, compression $compression",
    async (options) => {
      const { encoding, batch, compression } = options;
      const client = await TestClient.connect(server.port, {
        encoding,
        perMessageDeflate: compression,
        query: batch ? "?batch=true" : "",
      });
      expect(client.ws.extensions).toBe(compression ? "permessage-deflate" : "");
      expect((await client.subscribe(PRICES, { type: "Markets" }, { type: "Trades" })).type).toBe(
        "Subscribed",
      );
      const latest = new Map<unknown, number>();
      let messages = 0;
      while (messages < 500) {
        const message = await client.next();
        messages++;
        if (message.type !== "PriceUpdate") continue;
        const { market_id, seq } = message.data;
        expect(seq).toBeGreaterThan(latest.get(market_id) ?? 0);
        latest.set(market_id, seq);
      }
      expect(latest.size).toBe(50);
      if (batch) expect(client.frames).toBeLessThan(messages / 5);
      else expect(client.frames).toBeGreaterThanOrEqual(messages);
      // What it sends is compressed where it is large enough for `ws` to do so.
      const channels = IDS.map((market_id) => ({ type: "Market", params: { market_id } }));
      const reply = await client.request({ type: "Unsubscribe", data: { channels } });
      expect(reply).toMatchObject({ type: "Unsubscribed", data: { channels } });
      await client.close();
    },
  );

  it.each(ENCODINGS)("framing - the client library takes both in %s", async (encoding) => {
    const url = `ws://127.0.0.1:${server.port}`;
    const client = new MarketcastClient({ url, encoding, batch: true, compression: true });
    const seen = new Map<unknown, number>();
    const gaps: unknown[] = [];
    client.on("gap", (gap) => gaps.push(gap));
    const messages = client[Symbol.asyncIterator]();
    await client.subscribe([PRICES]);
    let updates = 0;
    for await (const { type, data } of messages) {
      if (type !== "PriceUpdate") continue;
      expect(data.seq).toBeGreaterThan(seen.get(data.market_id) ?? 0);
      seen.set(data.market_id, data.seq);
      if (++updates >= 300 && seen.size === 50) break;
    }
    expect(gaps).toEqual([]);
    expect(await server.metric('marketcast_batched_connections{shard="0"}')).toBeGreaterThan(0);
    expect(await server.metric('marketcast_compressed_connections{shard="0"}')).toBeGreaterThan(0);
    await client.close();
  });

  it.for(ENCODINGS)("framing - Python's websockets decodes both in %s", async (encoding, test) => {
    const folder = await temporaryDirectory();
    try {
      const made = spawnSync("protoc", [
        `--python_out=${folder.path}`,
        "-I",
        dirname(PROTO),
        PROTO,
      ]);
      const imports = "import google.protobuf, msgpack, websockets";
      if (made.status !== 0 || spawnSync(PYTHON, ["-c", imports]).status !== 0)
        return test.skip(`no protoc, or ${PYTHON} has no websockets, msgpack and protobuf`);
      const uri = `ws://127.0.0.1:${server.port}/ws/v3?batch=true`;
      const child = spawn(PYTHON, [PYTHON_CLIENT, encoding, uri, "1000", folder.path], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      for await (const text of child.stdout) output += text;
      const report = JSON.parse(output);
      expect(report).toMatchObject({ extensions: ["permessage-deflate"], faults: 0 });
      expect(report.largest).toBeGreaterThan(10);
      expect(report.types.PriceUpdate).toBeGreaterThan(900);
    } finally {
      await folder.remove();
    }
  });

  it.skipIf(CHROMIUM === undefined)("framing - Chromium negotiates and decodes both", async () => {
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.port}/`);
      const found = await page.evaluate(
        ([url, channel]) =>
          new Promise<{ extensions: string; largest: number; types: string[] }>(
            (resolve, reject) => {
              const Socket = (globalThis as unknown as { WebSocket: new (url: string) => never })
                .WebSocket;
              const ws = new Socket(url as string) as {
                extensions: string;
                onopen: () => void;
                onclose: () => void;
                onmessage: (event: { data: string }) => void;
                send(text: string): void;
              };
              const types = new Set<string>();
              let largest = 0;
              ws.onopen = () =>
                ws.send(
                  JSON.stringify({
                    type: "Subscribe",
                    id: "x".repeat(60),
                    data: { channels: [channel, { type: "Markets" }] },
                  }),
                );
              ws.onclose = () => reject(new Error("closed"));
              ws.onmessage = ({ data }) => {
                const messages = [JSON.parse(data)].flat();
                largest = Math.max(largest, messages.length);
                for (const { type } of messages) types.add(type);
                if (largest >= 20)
                  resolve({ extensions: ws.extensions, largest, types: [...types].sort() });
              };
            },
          ),
        [`ws://127.0.0.1:${server.port}/ws/v3?batch=true`, PRICES] as const,
      );
      expect(found.extensions).toMatch(/^permessage-deflate/);
      expect(found.types).toEqual(
        expect.arrayContaining(["Connected", "MarketSnapshot", "PriceUpdate", "Subscribed"]),
      );
    } finally {
      await browser.close();
    }
  });

  it("framing - what is compressed is counted, and is a fraction of what it was", async () => {
    const bytes = (form: string) =>
      server.metric(`marketcast_compression_bytes_total{shard="0",direction="out",form="${form}"}`);
    const plain = await bytes("plain");
    expect(plain).toBeGreaterThan(0);
    expect(await bytes("compressed")).toBeLessThan(plain / 3);
  });

  it("framing - with compression off, or not offered, nothing is agreed on", async () => {
    const off = await startServerProcess({ shards: 1 });
    try {
      const client = await TestClient.connect(off.port);
      expect(client.ws.extensions).toBe("");
      await client.close();
      // Nor is a header that is none looked at.
      const odd = await answerTo(off.port, handshakeText("/ws/v3", "Sec-WebSocket-Extensions: ;"));
      expect(odd.status).toBe(101);
    } finally {
      await off.dispose();
    }
    const plain = await RawConnection.connect(server.port);
    const { head } = await plain.send(handshakeText()).answer(false);
    expect(head.toLowerCase()).not.toContain("extensions");
    plain.destroy();
  });

  it("framing - the answer names what was agreed on; a header that is none, or a batch that is none, is a 400", async () => {
    const raw = await RawConnection.connect(server.port);
    const { head } = await raw.send(handshakeText("/ws/v3", DEFLATE)).answer(false);
    expect(head).toMatch(
      /^Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r$/m,
    );
    raw.destroy();
    const odd = await answerTo(
      server.port,
      handshakeText("/ws/v3", "Sec-WebSocket-Extensions: a b"),
    );
    expect([odd.status, odd.body]).toEqual([
      400,
      expect.stringContaining("Sec-WebSocket-Extensions"),
    ]);
    const unknown = await answerTo(server.port, handshakeText("/ws/v3?batch=8"));
    expect([unknown.status, unknown.body]).toEqual([400, expect.stringContaining('batch is "8"')]);
  });
});

describe("compressed messages of clients", () => {
  const ping = JSON.stringify({ type: "Ping", id: 7, data: { timestamp: 1 } });

  it("framing - whole, in fragments, with a control frame between them, and beside plain ones", async () => {
    const raw = await upgraded(DEFLATE);
    const bytes = deflated(ping);
    const close = maskedFrame(8, Buffer.from([0x03, 0xe8]));
    raw.send(
      Buffer.concat([
        maskedFrame(1, bytes, { reserved: RSV1 }),
        maskedFrame(1, bytes.subarray(0, 5), { reserved: RSV1, fin: false }),
        maskedFrame(9, "between"),
        maskedFrame(0, bytes.subarray(5, 6), { fin: false }),
        maskedFrame(0, bytes.subarray(6)),
        maskedFrame(1, ping),
        close,
      ]),
    );
    const { texts, code } = await saidUntilEnd(raw);
    expect(texts.filter((text) => text.includes('"Pong"')).length).toBe(3);
    expect(texts.filter((text) => text.includes('"id":7')).length).toBe(3);
    expect(code).toBe(1000);
  });

  it.each([
    [
      "a bomb",
      1009,
      () => [maskedFrame(1, deflated(Buffer.alloc(2 ** 24, 32)), { reserved: RSV1 })],
    ],
    [
      "a byte too much",
      1009,
      () => [maskedFrame(1, deflated(" ".repeat(MESSAGE_BYTES_MAX + 1)), { reserved: RSV1 })],
    ],
    [
      "one that is cut off",
      1007,
      () => [maskedFrame(1, deflated(ping).subarray(0, 20), { reserved: RSV1 })],
    ],
    ["no deflate data", 1007, () => [maskedFrame(1, Buffer.of(0xff, 0xff), { reserved: RSV1 })]],
    [
      "a text that is no UTF-8",
      1007,
      () => [maskedFrame(1, deflated(Buffer.of(0x22, 0xc3, 0x28, 0x22)), { reserved: RSV1 })],
    ],
    ["a binary frame", 1003, () => [maskedFrame(2, deflated(ping), { reserved: RSV1 })]],
    [
      "the bit on a continuation",
      1002,
      () => [
        maskedFrame(1, deflated(ping).subarray(0, 5), { reserved: RSV1, fin: false }),
        maskedFrame(0, deflated(ping).subarray(5), { reserved: RSV1 }),
      ],
    ],
    ["the bit on a ping", 1002, () => [maskedFrame(9, "", { reserved: RSV1 })]],
    ["another reserved bit", 1002, () => [maskedFrame(1, deflated(ping), { reserved: RSV1 | 2 })]],
    [
      "a message within another",
      1002,
      () => [
        maskedFrame(1, "a", { fin: false }),
        maskedFrame(1, deflated(ping), { reserved: RSV1 }),
      ],
    ],
    [
      "too many fragments",
      1008,
      () => [
        maskedFrame(1, "", { reserved: RSV1, fin: false }),
        ...Array.from({ length: 64 }, () => maskedFrame(0, "", { fin: false })),
      ],
    ],
  ] as const)("framing - %s closes with %d", async (_, expected, frames) => {
    const raw = await upgraded(DEFLATE);
    raw.send(Buffer.concat(frames()));
    expect((await saidUntilEnd(raw)).code).toBe(expected);
  });

  it("framing - a compressed frame without negotiation closes with 1002", async () => {
    const raw = await upgraded();
    raw.send(maskedFrame(1, deflated(ping), { reserved: RSV1 }));
    expect((await saidUntilEnd(raw)).code).toBe(1002);
  });

  it("framing - floods of bombs delay nobody beside them, and are counted", async () => {
    const client = await TestClient.connect(server.port, { localAddress: "127.0.0.2" });
    await client.take("Connected");
    const bomb = maskedFrame(1, deflated(Buffer.alloc(2 ** 25, 32)), { reserved: RSV1 });
    expect(bomb.length).toBeLessThan(MESSAGE_BYTES_MAX);
    const before = await server.metric('marketcast_inflations_refused_total{shard="0"}');
    const attacks = Array.from({ length: 40 }, async () => {
      const raw = await upgraded(DEFLATE);
      raw.send(bomb);
      expect((await saidUntilEnd(raw)).code).toBe(1009);
    });
    let slowestMs = 0;
    let over = false;
    const all = Promise.all(attacks).finally(() => {
      over = true;
    });
    while (!over) {
      const startedAt = performance.now();
      expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    }
    await all;
    expect(slowestMs).toBeLessThan(1000);
    const after = await server.metric('marketcast_inflations_refused_total{shard="0"}');
    expect(after - before).toBe(40);
    await client.close();
  });
});
