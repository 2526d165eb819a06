import { expect, test } from "vitest";
import { restartableExchange } from "../support/restartable-exchange.js";
import { type ServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { bookOf, connectTrader, limitOrder, place, walletState } from "../support/trading.js";

const WALLET = "w1";

const { start } = restartableExchange();

/** A connection with an order that is bound to it, beside one of another connection that is not. */
async function placeBound({ port }: ServerProcess) {
  const staying = await connectTrader(port, { wallet: WALLET });
  const bound = await connectTrader(port, { wallet: WALLET, cancelOnDisconnect: true });
  const kept = await place(staying, limitOrder("Buy", 0.1, 1));
  const ending = await place(bound, limitOrder("Buy", 0.2, 1));
  return { staying, bound, kept, ending };
}

/** Waits for the news that an order is cancelled, on a connection that has subscribed to Orders. */
async function hearOfCancel(client: TestClient, order_id: string): Promise<void> {
  const { order } = (
    await client.take("OrderUpdate", ({ data }) => data.order.order_id === order_id)
  ).data;
  expect(order).toMatchObject({ status: "Cancelled", reason: expect.stringMatching(/disconnect/) });
}

const openIds = async (port: number) =>
  (await walletState(port, WALLET)).orders.map(({ order_id }) => order_id);

const ENDS: readonly (readonly [string, (client: TestClient) => void])[] = [
  ["is closed", (client) => client.ws.close(1000)],
  ["is cut", (client) => client.ws.terminate()],
];

test.each(ENDS)("cancel on disconnect - when the connection %s", async (_, end) => {
  const running = await start();
  const { staying, bound, kept, ending } = await placeBound(running);
  await staying.subscribe({ type: "Orders", params: { wallet: WALLET } });
  await staying.take("OrderSnapshot");
  end(bound);
  await hearOfCancel(staying, ending.order_id);
  expect(await openIds(running.port)).toEqual([kept.order_id]);
  expect((await bookOf(running.port, 1001)).bids).toEqual([[0.1, 1]]);
});

test("cancel on disconnect - in every spelling of the switch, and only where it is on", async () => {
  const { port } = await start();
  const watching = await connectTrader(port, { wallet: WALLET });
  await watching.subscribe({ type: "Orders", params: { wallet: WALLET } });
  await watching.take("OrderSnapshot");
  const token = testToken({ wallet: WALLET });
  const endWith = async (query: string): Promise<string> => {
    const client = await TestClient.connect(port, { query: `?${query}&token=${token}` });
    await client.take("Authenticated");
    const { order_id } = await place(client, limitOrder("Buy", 0.2, 1));
    client.ws.terminate();
    return order_id;
  };
  const cancelled = (order_id: string) =>
    watching.take(
      "OrderUpdate",
      ({ data: { order } }) => order.order_id === order_id && order.status === "Cancelled",
    );
  const off = [];
  for (const value of ["=false", "=False", "=0"]) {
    off.push(await endWith(`cancel_on_disconnect${value}`));
  }
  for (const value of ["", "=", "=1", "=True", "=true", "=true&x=a?b"])
    await cancelled(await endWith(`ref=a?b&cancel_on_disconnect${value}`));
  expect((await openIds(port)).sort()).toEqual(off.sort());
});

test("cancel on disconnect - also for an order that was on its way when the connection was cut", async () => {
  const running = await start();
  const watching = await connectTrader(running.port, { wallet: WALLET });
  await watching.subscribe({ type: "Orders", params: { wallet: WALLET } });
  await watching.take("OrderSnapshot");
  for (let round = 0; round < 10; round++) {
    const bound = await connectTrader(running.port, { wallet: WALLET, cancelOnDisconnect: true });
    bound.send({ type: "PlaceOrder", data: { order: limitOrder("Buy", 0.2, 1) } });
    // The frame is in the kernel when the callback comes, so the server reads it before the end.
    await new Promise<void>((resolve) => bound.ws.ping(undefined, undefined, () => resolve()));
    bound.ws.terminate();
    const { order } = (await watching.take("OrderUpdate")).data;
    expect(order.status).toBe("Open");
    await hearOfCancel(watching, order.order_id);
  }
});

test("cancel on disconnect - when the connection's shard dies", async () => {
  const running = await start({ shards: 1 });
  const { bound, staying, kept, ending } = await placeBound(running);
  running.command({ restartShard: 0 });
  await Promise.all([bound.closed, staying.closed]);
  await running.logged((line) => line["msg"] === "the shard ended" || line["shard"] === 0);
  const back = await connectTraderAgain(running.port);
  await back.subscribe({ type: "Orders", params: { wallet: WALLET } });
  const { orders } = (await back.take("OrderSnapshot")).data;
  if (orders.some(({ order_id }) => order_id === ending.order_id))
    await hearOfCancel(back, ending.order_id);
  expect(await openIds(running.port)).toEqual([kept.order_id]);
});

test("cancel on disconnect - when the server drains; the next one does not know the order as open", async () => {
  const first = await start();
  const { kept } = await placeBound(first);
  await first.stop();
  expect(await openIds((await start()).port)).toEqual([kept.order_id]);
});

test("cancel on disconnect - when the server is killed: at recovery, before any order is accepted", async () => {
  const first = await start();
  const { kept, ending } = await placeBound(first);
  first.child.kill("SIGKILL");
  await new Promise((resolve) => first.child.once("exit", resolve));
  const second = await start();
  // Were the bound order still there, this one would trade with it.
  const client = await connectTrader(second.port, { wallet: "w2" });
  const order = await place(client, limitOrder("Sell", 0.2, 1));
  expect(order).toMatchObject({ status: "Open", filled_quantity: 0 });
  expect(await openIds(second.port)).toEqual([kept.order_id]);
  expect(Number(order.order_id)).toBeGreaterThan(Number(ending.order_id));
});

test("cancel on disconnect - not when only the producer dies: the order stays while its connection does, and ends with it", async () => {
  const running = await start();
  const { staying, bound, kept, ending } = await placeBound(running);
  const gone = await connectTrader(running.port, { wallet: WALLET, cancelOnDisconnect: true });
  const lost = await place(gone, limitOrder("Buy", 0.3, 1));
  await staying.subscribe({ type: "Orders", params: { wallet: WALLET } });
  await staying.take("OrderSnapshot");
  running.command({ restartProducer: true });
  // This one ends while there is no exchange to be told of it.
  gone.ws.terminate();
  await staying.take("EpochChanged");
  const { orders } = (await staying.take("OrderSnapshot")).data;
  const ids = orders.map(({ order_id }) => order_id);
  expect(ids).toEqual(expect.arrayContaining([kept.order_id, ending.order_id]));
  if (ids.includes(lost.order_id)) await hearOfCancel(staying, lost.order_id);
  bound.ws.terminate();
  await hearOfCancel(staying, ending.order_id);
  expect(await openIds(running.port)).toEqual([kept.order_id]);
});

/** Connects as soon as there is a shard again. */
async function connectTraderAgain(port: number): Promise<TestClient> {
  for (;;) {
    try {
      return await connectTrader(port, { wallet: WALLET });
    } catch {
      // No shard yet: the connection was refused or cut.
    }
  }
}
