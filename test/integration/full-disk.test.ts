import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readinessOf } from "../support/figures.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { mountDisk, type SmallDisk } from "../support/small-disk.js";
import { TestClient } from "../support/test-client.js";
import {
  cancel,
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  type TestOrder,
  walletState,
} from "../support/trading.js";
import { until } from "../support/until.js";

/** The store's file grows only now and then, so some orders find room on a full disk. */
const ORDERS_MAX = 30_000;
/** Client order id of the order that a test damages. */
const DAMAGED = "the-one-that-is-damaged";

const mayMount = await mountDisk().then(async (disk) => {
  await disk?.unmount();
  return disk !== undefined;
});
let disk: SmallDisk;
let server: ServerProcess | undefined;
beforeEach(async () => {
  disk = (await mountDisk()) as SmallDisk;
});
afterEach(async () => {
  await server?.dispose();
  await disk.unmount();
});

if (!mayMount) {
  it.skip("full disk - skipped: a disk cannot be mounted here", () => {});
} else {
  const start = async (): Promise<ServerProcess> => {
    server = await startServerProcess({
      ...QUIET_EXCHANGE,
      "data-dir": join(disk.path, "data"),
      "max-open-orders": 1e6,
      "max-orders-per-second": 1e6,
      "max-messages-per-second": 1e6,
    });
    return server;
  };

  it("full disk - orders are refused and nothing else; with room again, all is as acknowledged", async () => {
    const running = await start();
    const { port } = running;
    const client = await connectTrader(port, { wallet: "w1" });
    const watching = await TestClient.connect(port);
    await watching.subscribe({ type: "SystemStatus" });
    const acknowledged: TestOrder[] = [];
    for (let at = 0; at < 20; at++)
      acknowledged.push(
        await place(client, limitOrder("Buy", 0.4, 1, { client_order_id: `before-${at}` })),
      );

    await disk.fill();
    const refused: string[] = [];
    const refusal = await until("an order is refused", async () => {
      if (acknowledged.length > ORDERS_MAX) throw new Error("the disk is not full");
      const client_order_id = `full-${acknowledged.length}`;
      const order = limitOrder("Buy", 0.4, 1, { client_order_id });
      const reply = await client.request({ type: "PlaceOrder", data: { order } });
      if (reply.type === "OrderUpdate") acknowledged.push(reply.data.order);
      else refused.push(client_order_id);
      return reply.type === "Error" ? reply.data : undefined;
    });
    expect(refusal.code).toBe("UNAVAILABLE");

    const reason = expect.stringMatching(/orders are refused.*(space|ENOSPC)/i);
    expect(await readinessOf(running)).toEqual({ code: 200, state: "degraded", reasons: [reason] });
    const status = await watching.take("SystemStatus", ({ data }) => data.status.state !== "ok");
    expect(status.data.status).toMatchObject({ state: "degraded", reasons: [reason] });
    // Market data goes on, and what there is can be read.
    await watching.subscribe({ type: "Market", params: { market_id: 1001 } });
    expect((await watching.take("OrderBook")).data.bids).toEqual([[0.4, acknowledged.length]]);
    expect((await walletState(port, "w1")).orders).toEqual(acknowledged);
    for (const request of [
      { type: "PlaceOrder", data: { order: limitOrder("Sell", 0.4, 1) } },
      { type: "CancelOrder", data: { order_id: acknowledged[0]?.order_id } },
    ])
      expect(await client.request(request)).toMatchObject({ data: { code: "UNAVAILABLE" } });

    await disk.free();
    await watching.take("SystemStatus", ({ data }) => data.status.state === "ok");
    expect(await readinessOf(running)).toEqual({ code: 200, state: "ok", reasons: [] });
    expect((await walletState(port, "w1")).orders).toEqual(acknowledged);
    // The refused one was not taken: its client order id is free.
    const order = limitOrder("Buy", 0.3, 1, { client_order_id: refused[0] });
    const taken = await place(client, order);
    expect(taken).toMatchObject({ status: "Open", price: 0.3 });
    acknowledged.push(taken);
    const [first, ...rest] = acknowledged as [TestOrder, ...TestOrder[]];
    expect(await cancel(client, { order_id: first.order_id })).toMatchObject({
      status: "Cancelled",
    });

    const exited = once(running.child, "exit");
    running.child.kill("SIGKILL");
    await exited;
    expect((await walletState((await start()).port, "w1")).orders).toEqual(rest);
  });

  it("full disk - with a damaged store on top, orders are refused and not left without an answer", async () => {
    const running = await start();
    const client = await connectTrader(running.port, { wallet: "w1" });
    await place(client, limitOrder("Buy", 0.4, 1, { client_order_id: DAMAGED }));
    await damage(join(disk.path, "data", "exchange", "data.mdb"));
    await disk.fill();
    const codes = new Set<string>();
    await until("an exchange that has given up, and an answer after that", async () => {
      const failed = running.log.some(({ msg }) => msg === "feed failed");
      const reply = await client.request({
        type: "PlaceOrder",
        data: { order: limitOrder("Buy", 0.4, 1) },
      });
      codes.add(reply.type === "Error" ? reply.data.code : reply.type);
      return failed;
    });
    // Those that still found room were taken.
    codes.delete("OrderUpdate");
    expect([...codes]).toEqual(["UNAVAILABLE"]);
    await until("not ready", async () => (await readinessOf(running)).code === 503);
    const { reasons } = await readinessOf(running);
    expect(reasons.join()).toMatch(/producer ended|damaged/);
  });
}

/** Changes an order in a store's file, in every version that there is, under a server that runs. */
async function damage(path: string): Promise<void> {
  const file = await open(path, "r+");
  // It is in the trees some time after it was told.
  const bytes = await until("an order in the trees", async () => {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(size), 0, size, 0);
    return buffer.includes(DAMAGED) ? buffer : undefined;
  });
  for (let at = bytes.indexOf(DAMAGED); at >= 0; at = bytes.indexOf(DAMAGED, at + 1))
    await file.write("X", at);
  await file.close();
}
