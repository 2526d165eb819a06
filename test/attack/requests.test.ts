import { Packr } from "msgpackr";
import { afterEach, beforeEach, expect, test } from "vitest";
import { expectUnharmed, strength, witness } from "../support/attack.js";
import { clientFrame, connectRawClients, OPCODE, RawClient } from "../support/raw-client.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { until } from "../support/until.js";

/*
 * What a client may do with its connections, all within the default limits. The client beside each attack
 * comes from the same address.
 */

const packr = new Packr({ useRecords: false });
const text = (message: unknown) => clientFrame(OPCODE.text, JSON.stringify(message));
const PING = text({ type: "Ping", data: { timestamp: 1 } });
const MARKETS = { type: "Subscribe", data: { channels: [{ type: "Markets" }] } };
/** Longer than it takes to see that a client floods. */
const PATIENCE_MS = 20_000;

let server: ServerProcess;
let clients: RawClient[];

beforeEach(async () => {
  server = await startServerProcess();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await server.dispose();
});

/** Calls `send` every `everyMs`, as often as `times`, from the time at which each is due. */
async function paced(times: number, everyMs: number, send: () => unknown): Promise<void> {
  const startedAt = performance.now();
  for (let sent = 0; sent < times; ) {
    while (sent < times && performance.now() >= startedAt + sent * everyMs) {
      send();
      sent++;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function connect(options = {}): Promise<RawClient> {
  const client = await RawClient.connect(server.port, options);
  clients.push(client);
  return client;
}

const received = () => server.metric('marketcast_messages_received_total{shard="0"}');

test("attack - many connections each send a second's worth of messages at once", async () => {
  const [connections, messages] = [strength(990, 200), 1900];
  clients = await connectRawClients(connections, server.port);
  const burst = Buffer.concat(Array.from({ length: messages }, () => PING));
  const seen = await witness(server, async () => {
    const before = await received();
    for (const client of clients) void client.write(burst);
    // Well under way, or long over.
    const share = strength(200_000, 60_000);
    await until("many are taken", async () => (await received()) - before > share, 60_000);
  });
  expectUnharmed(seen);
  expect(clients.every(({ socket }) => !socket.destroyed)).toBe(true);
  expect((await server.ops("/readyz")).status).toBe(200);
});

test("attack - messages that are large and awkward, as often as the limits allow", async () => {
  const maps = packr.pack({
    type: "Subscribe",
    data: { channels: Array.from({ length: 65_000 }, () => ({})) },
  });
  const lists = `{"type":"Subscribe","data":{"channels":[${"[],".repeat(21_000)}[]]}}`;
  const [binary, json] = [await connect({ encoding: "msgpack" }), await connect()];
  const seen = await witness(server, async () => {
    await paced(strength(260, 60), 38, () => {
      void binary.write(clientFrame(OPCODE.binary, maps.subarray(0, 65_536)));
      void json.write(clientFrame(OPCODE.text, lists));
    });
  });
  expectUnharmed(seen);
});

test("attack - fragments of a message that does not end, with pongs between them", async () => {
  const client = await connect();
  const pongs = Buffer.concat(Array.from({ length: 499 }, () => clientFrame(OPCODE.pong, "")));
  const piece = Buffer.concat([clientFrame(OPCODE.continuation, "a", false), pongs]);
  const seen = await witness(server, async () => {
    await client.write(clientFrame(OPCODE.text, "a", false));
    for (let sent = 0; sent < 20_000 && client.closeCode === undefined; sent++)
      await client.write(piece);
  });
  expectUnharmed(seen);
  expect(client.closeCode).toBe(4501);
});

test("attack - fragments in many connections, as many as a message may have", async () => {
  clients = await connectRawClients(strength(900, 200), server.port, { reads: false });
  const filler = clientFrame(OPCODE.pong, Buffer.alloc(125));
  const piece = Buffer.concat([
    clientFrame(OPCODE.continuation, "a", false),
    ...Array.from({ length: 7 }, () => filler),
  ]);
  const seen = await witness(server, async () => {
    for (const client of clients) {
      await client.write(clientFrame(OPCODE.text, "a", false));
    }
    await paced(strength(60, 30), 50, () => {
      for (const client of clients) void client.write(piece);
    });
  });
  expectUnharmed(seen);
});

test("attack - a message that comes one byte at a time", async () => {
  const client = await connect();
  const message = clientFrame(OPCODE.text, `"${"a".repeat(20_000)}"`);
  const seen = await witness(server, async () => {
    for (const byte of message.subarray(0, strength(message.length, 4000)))
      await client.write(Buffer.of(byte));
  });
  expectUnharmed(seen);
});

test("attack - pings whose pongs are not read", async () => {
  clients = await connectRawClients(strength(100, 40), server.port, { reads: false });
  const pings = Buffer.concat(
    Array.from({ length: 190 }, () => clientFrame(OPCODE.ping, Buffer.alloc(125))),
  );
  const seen = await witness(server, () =>
    paced(strength(100, 30), 100, () => {
      for (const client of clients) void client.write(pings);
    }),
  );
  expectUnharmed(seen);
});

test("attack - the same question over and over, whose answer is large", async () => {
  const client = await connect();
  const questions = Buffer.concat(Array.from({ length: 190 }, () => text(MARKETS)));
  const from = performance.now();
  const seen = await witness(server, () =>
    paced(strength(80, 20), 100, () => void client.write(questions)),
  );
  expectUnharmed(seen);
  const perSecond = client.received / ((performance.now() - from) / 1000);
  // 4 MiB a second, and the first second's allowance.
  expect(perSecond).toBeLessThan(4.5e6 + 4.2e6 / ((performance.now() - from) / 1000));
});

test("attack - fresh filters, over and over", async () => {
  const client = await connect();
  let next = 0;
  const channels = () =>
    Array.from({ length: 16 }, () => ({
      type: "Markets",
      params: { filter: { search: `none ${next++}` } },
    }));
  const seen = await witness(server, () =>
    paced(strength(8000, 1500), 1, () => {
      const named = { channels: channels() };
      void client.send({ type: "Subscribe", data: named });
      void client.send({ type: "Unsubscribe", data: named });
    }),
  );
  expectUnharmed(seen);
});

test("attack - a subscription among very many that comes and goes", async () => {
  const client = await connect();
  const market_ids = Array.from({ length: 50 }, (_, index) => 1001 + index);
  await client.send({
    type: "Subscribe",
    data: {
      channels: [
        { type: "PriceFeed", params: { market_ids } },
        ...market_ids.map((market_id) => ({ type: "Market", params: { market_id } })),
        ...market_ids.slice(0, 49).map((market_id) => ({ type: "Trades", params: { market_id } })),
      ],
    },
  });
  const channels = [{ type: "SystemStatus" }];
  const both = Buffer.concat([
    text({ type: "Subscribe", data: { channels } }),
    text({ type: "Unsubscribe", data: { channels } }),
  ]);
  const seen = await witness(server, () =>
    paced(strength(8000, 1500), 1, () => void client.write(both)),
  );
  expectUnharmed(seen);
});

test("attack - tokens that are as large as a message", async () => {
  const client = await connect();
  const huge = testToken({ filler: "x".repeat(45_000) });
  const signed = testToken({ filler: "x".repeat(4000) });
  const seen = await witness(server, () =>
    paced(strength(7200, 1400), 1.1, () => {
      void client.send({ type: "Authenticate", data: { token: huge } });
      void client.send({ type: "Authenticate", data: { token: signed } });
    }),
  );
  expectUnharmed(seen);
});

test("attack - a client that goes on after RATE_LIMITED is closed, and nobody else", async () => {
  const client = await connect();
  const seen = await witness(server, async () => {
    const flood = Buffer.concat(Array.from({ length: 5000 }, () => PING));
    await client.write(flood);
    await until("it is closed", () => client.closeCode === 4501, PATIENCE_MS);
  });
  expectUnharmed(seen);
});
