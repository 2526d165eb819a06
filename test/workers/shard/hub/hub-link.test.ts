import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { HubNews, HubReach, HubRequest } from "../../../../src/workers/hub/messages.js";
import { HubLink } from "../../../../src/workers/shard/hub/hub-link.js";
import { until } from "../../../support/until.js";

const publish = (request: number): HubRequest => ({
  type: "publish",
  request,
  channel: "desk-1",
  data: "1",
  userId: "u",
});
const published = (request: number): HubNews => ({ type: "published", request, seq: 1, ts: 1 });

let heard: (HubNews | "connected" | "lost")[];
let link: HubLink;

beforeEach(() => {
  const own: typeof heard = [];
  heard = own;
  link = new HubLink({
    connected: () => own.push("connected"),
    news: (news) => own.push(...news),
    lost: () => own.push("lost"),
  });
});
afterEach(() => link.close());

/** Connects the link; the hub's end of the port. */
function connect(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  link.connect(port2);
  return port1;
}

/** What has been sent, by message: all that goes in a turn is one. */
async function messages(hub: MessagePort): Promise<HubRequest[][]> {
  await turn();
  const all: HubRequest[][] = [];
  for (let next = receiveMessageOnPort(hub); next; next = receiveMessageOnPort(hub))
    all.push(next.message);
  return all;
}

it("hub-link - a turn's requests are one message; without a hub nothing is sent, then or later", async () => {
  link.send(publish(0));
  const hub = connect();
  expect(heard).toEqual(["connected"]);
  link.send(publish(1));
  link.send(publish(2));
  expect(await messages(hub)).toEqual([[publish(1), publish(2)]]);
  link.send(publish(3));
  expect(await messages(hub)).toEqual([[publish(3)]]);
});

it("hub-link - news come in their order, and before the loss of a hub that has ended", async () => {
  const hub = connect();
  hub.postMessage([published(1), published(2)]);
  hub.postMessage([published(3)]);
  hub.close();
  await until("the loss", () => heard.includes("lost") || undefined);
  expect(heard).toEqual(["connected", published(1), published(2), published(3), "lost"]);
  expect(link.connected).toBe(false);
  link.close();
  expect(heard).toHaveLength(5);
});

it("hub-link - another hub hears nothing that was meant for the one before, nor is that heard any more", async () => {
  const before = connect();
  link.send(publish(1));
  before.postMessage([published(1)]);
  const closed = once(before, "close");
  const after = connect();
  link.send(publish(2));
  expect(await messages(after)).toEqual([[publish(2)]]);
  await closed;
  expect(heard).toEqual(["connected", "lost", "connected"]);
  link.connect(undefined);
  expect([heard.at(-1), link.connected]).toEqual(["lost", false]);
});

it("hub-link - a hub that is another node's comes and goes behind one port, and hears nothing between", async () => {
  const hub = connect();
  const reach = (type: HubReach["type"]) => hub.postMessage([{ type }]);
  reach("hub-away");
  await until("the loss", () => heard.includes("lost") || undefined);
  expect(link.connected).toBe(false);
  link.send(publish(1));
  reach("hub-away");
  reach("hub-there");
  hub.postMessage([published(2)]);
  await until("the news", () => heard.length === 4 || undefined);
  expect(heard).toEqual(["connected", "lost", "connected", published(2)]);
  link.send(publish(3));
  expect(await messages(hub)).toEqual([[publish(3)]]);
  // One that knows nothing of the shard has taken the place of the one before.
  reach("hub-there");
  await until("another one", () => heard.length === 6 || undefined);
  expect(heard.slice(4)).toEqual(["lost", "connected"]);
});
