import {
  ClientClosedError,
  type MarketcastClient,
  NotConnectedError,
  type Order,
  type OrderRequest,
  RequestTimeoutError,
  ServerError,
} from "marketcast/client";
import { isTransient } from "./transient.js";

/** Between two times of asking, in ms, where the server says: not now. */
const ASK_AGAIN_MS = 1000;

/** The connection that is there now, and the next one. */
export interface Connections {
  readonly client: MarketcastClient;
  /** Resolves when there is an open connection. */
  opened(): Promise<void>;
}

export interface Placing {
  /** Ends the asking; whether the order was taken may then never be told. */
  readonly signal: AbortSignal;
  /** Called when it is not known any more, for now, whether the order has been taken. */
  unsure(): void;
}

/**
 * Places an order and resolves with its state. Where the connection breaks on the way the order may have
 * been taken: then the next one is asked with the same id, at which nothing is placed twice, until the
 * server has said what became of it. Rejects with why the order is not placed, or with the signal's reason.
 */
export async function placeOrder(
  connections: Connections,
  request: OrderRequest,
  { signal, unsure }: Placing,
): Promise<Order> {
  const order = { ...request, client_order_id: randomId() };
  for (let sure = true; ; sure = false) {
    const { client } = connections;
    const off = client.on("state", ({ status }) => {
      if (status !== "open") unsure();
    });
    try {
      return (await client.placeOrder(order, { signal })).order;
    } catch (error) {
      if (!(await staysOpen(error, sure))) throw error;
    } finally {
      off();
    }
    unsure();
    await unlessAborted(connections.opened(), signal);
  }
}

/** Whether an error leaves open what became of an order; `sure` is whether that was known before. */
async function staysOpen(error: unknown, sure: boolean): Promise<boolean> {
  if (
    error instanceof RequestTimeoutError ||
    error instanceof ClientClosedError ||
    error instanceof NotConnectedError
  )
    return error.sent || !sure;
  if (sure || !(error instanceof ServerError) || !isTransient(error)) return false;
  await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  return true;
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** 32 hexadecimal digits; `randomUUID` is not there where the page does not come by TLS. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
