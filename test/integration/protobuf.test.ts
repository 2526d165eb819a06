import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  expectPythonReadsEveryMessage,
  MARKET_IDS,
  PYTHON,
  provoke,
  SERVER_TYPES,
  startServerOfEveryMessage,
} from "../support/every-message.js";
import { type ServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { temporaryDirectory } from "../support/trading.js";

const CLIENT = fileURLToPath(new URL("../support/protobuf-client.py", import.meta.url));
const PROTO = fileURLToPath(new URL("../../proto/marketcast.proto", import.meta.url));
const MISSING = `no protoc, or ${PYTHON} has no websockets and protobuf (Debian: protobuf-compiler python3-protobuf python3-websockets)`;

let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;

beforeEach(async () => {
  folder = await temporaryDirectory();
  server = await startServerOfEveryMessage(folder.path);
});
afterEach(async () => {
  await server.dispose();
  await folder.remove();
});

describe("protobuf", () => {
  it("protobuf - another library reads every message type of the server, to the contract's JSON", async () => {
    const query = `?token=${testToken({ channels: ["*"], publish: ["*"] })}`;
    const client = await TestClient.connect(server.port, { encoding: "protobuf", query });
    const wallet = "wallet-1";
    const subscribed = await client.subscribe(
      { type: "Markets", params: { filter: { search: "MÄRKET" } } },
      { type: "Market", params: { market_id: 1001 } },
      { type: "Market", params: { market_id: `${2n ** 53n}` } },
      { type: "PriceFeed", params: { market_ids: MARKET_IDS } },
      { type: "Book", params: { market_id: 1001, checksum: true } },
      { type: "Trades" },
      { type: "SystemStatus" },
      { type: "Candles", params: { market_id: 1001, interval: "1s" } },
      { type: "Heartbeat", params: { interval_ms: 100 } },
      { type: "Presence", params: { market_id: 1001 } },
      { type: "Orders", params: { wallet } },
      { type: "Positions", params: { wallet } },
      { type: "Private", params: { channel: "desk-1" } },
    );
    const seen = new Set(["Connected", "Authenticated", subscribed.type]);
    const order = { market_id: 1001, side: "Buy", order_type: "Market", quantity: 1 };
    client.send({ type: "Ping", id: "ü", data: { timestamp: 1.5 } });
    client.send({ type: "CancelOrder", id: -1, data: { order_id: "none" } });
    client.send({ type: "Unsubscribe", id: 2 ** 40, data: { channels: [{ type: "Trades" }] } });
    client.send({ type: "Subscribe", id: 1, data: { channels: [{ type: "Trades" }] } });
    const ask = (): void => {
      client.send({ type: "TradeHistory", id: 3, data: { market_id: 1001 } });
      client.send({ type: "CandleHistory", id: 4, data: { market_id: 1001, interval: "1m" } });
      client.send({ type: "PlaceOrder", id: 2, data: { order } });
      client.send({ type: "OrderHistory", id: 5, data: { status: ["Filled"] } });
      client.send({ type: "FillHistory", id: 6, data: { wallet, limit: 5 } });
      client.send({ type: "PlaceOrder", id: 7, data: { order, validate_only: true } });
      client.send({ type: "PlaceOrders", id: 8, data: { orders: [order, order] } });
      client.send({ type: "CancelOrders", id: 9, data: {} });
      client.send({ type: "CancelAfter", id: 10, data: { timeout_ms: 0 } });
      client.send({ type: "Publish", id: 11, data: { channel: "desk-1", data: [null, "ü"] } });
    };
    ask();
    await provoke(server);
    const missing = () =>
      SERVER_TYPES.filter((type) => !seen.has(type) && type !== "ServerShutdown");
    const late = AbortSignal.timeout(20_000);
    while (missing().length > 0) {
      if (late.aborted) throw new Error(`no ${missing().join(", ")}`);
      const message = await client.next();
      seen.add(message.type);
      // The archive may not be open yet, and the producer dies before it has the order.
      if (message.type === "Error" && /UNAVAILABLE|INTERNAL/.test(message.data.code)) ask();
    }
    const stopped = server.stop();
    seen.add((await client.take("ServerShutdown")).type);
    expect([...seen].sort()).toEqual(SERVER_TYPES);
    await stopped;
  });

  it("protobuf - what is no message is an Error, as in the other encodings, and the connection goes on", async () => {
    const client = await TestClient.connect(server.port, { encoding: "protobuf" });
    await client.take("Connected");
    for (const payload of ["", "ff", "0b0c", "32003200", "120180", "0802"])
      expect(await client.requestRaw(Buffer.from(payload, "hex"))).toMatchObject({
        type: "Error",
        data: { code: "INVALID_MESSAGE" },
      });
    expect(await client.requestRaw(Buffer.from("0802a20600", "hex"))).toMatchObject({
      type: "Error",
      id: 1,
      data: { code: "UNKNOWN_TYPE" },
    });
    const pong = await client.request({ type: "Ping", data: { timestamp: 1 } });
    expect(pong).toMatchObject({ type: "Pong", data: { timestamp: 1 } });
    await client.close();
  });

  it("protobuf - a client in Python reads every message type with what protoc makes of the file", async (test) => {
    const made = spawnSync("protoc", [`--python_out=${folder.path}`, "-I", dirname(PROTO), PROTO]);
    const imports = "import google.protobuf, websockets";
    if (made.status !== 0 || spawnSync(PYTHON, ["-c", imports]).status !== 0)
      return test.skip(MISSING);
    const token = testToken({ channels: ["*"], publish: ["*"] });
    const uri = `ws://127.0.0.1:${server.port}/ws/v3?token=${token}`;
    await expectPythonReadsEveryMessage(server, [CLIENT, folder.path, uri]);
  });
});
