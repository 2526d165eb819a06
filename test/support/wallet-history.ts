import type { ServerMessage } from "../../src/contract/messages.js";
import type { MessageOf, TestClient } from "./test-client.js";

type Order = MessageOf<"OrderUpdate">["data"]["order"];
type Fill = MessageOf<"Fill">["data"]["fill"];

/** All orders that history has of a wallet, by default the client's own, newest first. */
export function orderHistory(client: TestClient, data: object = {}): Promise<Order[]> {
  return all(client, "OrderHistory", data, (reply) =>
    reply.type === "OrderPage" ? [reply.data.orders, reply.data.next] : undefined,
  );
}

/** All fills that history has of a wallet, newest first. */
export function fillHistory(client: TestClient, data: object = {}): Promise<Fill[]> {
  return all(client, "FillHistory", data, (reply) =>
    reply.type === "FillPage" ? [reply.data.fills, reply.data.next] : undefined,
  );
}

/** Subscribes to a wallet's orders since a moment; what comes in place of the snapshot. */
export async function ordersSince(
  client: TestClient,
  wallet: string,
  since: number,
  fillsAtLeast = 0,
): Promise<{ readonly orders: Order[]; readonly fills: Fill[] }> {
  const reply = await client.subscribe({ type: "Orders", params: { wallet }, since });
  if (reply.type !== "Subscribed" || reply.data.channels[0]?.recovered !== true)
    throw new Error(`not recovered: ${JSON.stringify(reply)}`);
  const told = await untilQuiet(
    client,
    (all) => all.filter(({ type }) => type === "Fill").length >= fillsAtLeast,
  );
  return {
    orders: told.flatMap((one) => (one.type === "OrderUpdate" ? [one.data.order] : [])),
    fills: told.flatMap((one) => (one.type === "Fill" ? [one.data.fill] : [])),
  };
}

/**
 * Everything that a client is told until a question that is asked behind all replays of its wallet is
 * answered. Each part of a replay is asked for when the one before has been taken, so it asks until
 * nothing comes between, and what has come is all that must.
 */
export async function untilQuiet(
  client: TestClient,
  isAll: (told: readonly ServerMessage[]) => boolean = () => true,
): Promise<ServerMessage[]> {
  const told: ServerMessage[] = [];
  for (let quiet = 0; quiet < 3 || !isAll(told); ) {
    const id = `quiet-${Math.random()}`;
    client.send({ type: "GetOrder", id, data: { order_id: "0" } });
    const some = (await client.takeUntil((message) => message.id === id)).slice(0, -1);
    told.push(...some);
    quiet = some.length === 0 ? quiet + 1 : 0;
  }
  return told;
}

async function all<T>(
  client: TestClient,
  type: string,
  data: object,
  pageOf: (reply: ServerMessage) => readonly [readonly T[], string | undefined] | undefined,
): Promise<T[]> {
  const items: T[] = [];
  for (let before: string | undefined, done = false; !done; done = before === undefined) {
    const more = before === undefined ? {} : { before };
    const reply = await client.request({ type, data: { limit: 250, ...data, ...more } });
    const page = pageOf(reply);
    if (page === undefined) throw new Error(`no page: ${JSON.stringify(reply)}`);
    items.push(...page[0]);
    before = page[1];
  }
  return items;
}
