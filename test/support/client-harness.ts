import { type ClientEvents, type ClientOptions, MarketcastClient } from "../../src/client/node.js";

/** Small enough that a test need not wait; none of them is what a test is about, unless it says so. */
const QUICK = { reconnectIntervalMs: 20, maxReconnectIntervalMs: 200 } as const;

const clients = new Set<MarketcastClient>();

/** A client, of Node unless another is named, that reconnects quickly and is closed by {@link closeClients}. */
export function newClient(
  to: number | string,
  options: Partial<ClientOptions> = {},
  Client: new (options: ClientOptions) => MarketcastClient = MarketcastClient,
): MarketcastClient {
  const url = typeof to === "number" ? `ws://127.0.0.1:${to}` : to;
  const client = new Client({ url, ...QUICK, ...options });
  clients.add(client);
  return client;
}

/** Closes every client made so far. */
export async function closeClients(): Promise<void> {
  const open = [...clients];
  clients.clear();
  await Promise.all(open.map((client) => client.close()));
}

/** The next event for which `matches` holds; rejects where the client closes before. */
export function nextEvent<E extends keyof ClientEvents>(
  client: MarketcastClient,
  event: E,
  matches: (value: ClientEvents[E]) => boolean = () => true,
): Promise<ClientEvents[E]> {
  const next = new Promise<ClientEvents[E]>((resolve, reject) => {
    const done = (): void => {
      off();
      offState();
    };
    const off = client.on(event, (value) => {
      if (!matches(value)) return;
      done();
      resolve(value);
    });
    const offState = client.on("state", (state) => {
      if (state.status !== "closed" || event === "state") return;
      done();
      reject(new Error(`the client closed while waiting for ${event}: ${state.reason}`));
    });
  });
  // Looked at later than it may fail.
  next.catch(() => {});
  return next;
}

/** Collects every event of a kind from now on. */
export function collect<E extends keyof ClientEvents>(
  client: MarketcastClient,
  event: E,
): ClientEvents[E][] {
  const collected: ClientEvents[E][] = [];
  client.on(event, (value) => collected.push(value));
  return collected;
}
