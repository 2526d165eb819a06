import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import jwt from "jsonwebtoken";
import { hasEnded, nextMessage, waitForExit } from "./child.js";
import type {
  OrderInterval,
  OrderMix,
  OrderReplyMessage,
  OrderRequestMessage,
} from "./order-messages.js";
import type { ServerUnderTest } from "./server-under-test.js";

const ORDER_CLIENT = fileURLToPath(new URL("./order-client.js", import.meta.url));

/** What an order client does. */
interface OrderLoad {
  readonly mix: OrderMix;
  /** Connections, each with a request in flight and a wallet of its own. */
  readonly traders: number;
  readonly marketIds: readonly number[];
  /** What the tokens are signed with. */
  readonly secret: string;
}

/** The order client in a process of its own. */
export class OrderClient {
  readonly #child: ChildProcess = fork(ORDER_CLIENT);

  static async start(
    { port, path, subprotocol }: ServerUnderTest,
    { mix, traders, marketIds, secret }: OrderLoad,
  ): Promise<OrderClient> {
    const client = new OrderClient();
    const paths = Array.from({ length: traders }, (_, trader) => {
      const claims = { sub: `trader-${trader}`, wallet: `trader-${trader}` };
      return `${path}?token=${jwt.sign(claims, secret, { expiresIn: "1h" })}`;
    });
    await client.#ask({
      kind: "start",
      port,
      subprotocol: subprotocol as string,
      paths,
      marketIds,
      mix,
    });
    return client;
  }

  async interval(): Promise<OrderInterval> {
    return (await this.#ask({ kind: "interval" })) as OrderInterval;
  }

  async stop(): Promise<void> {
    if (hasEnded(this.#child)) return;
    await this.#ask({ kind: "stop" });
    const exit = waitForExit(this.#child);
    this.#child.disconnect();
    await exit;
  }

  async #ask(request: OrderRequestMessage): Promise<OrderReplyMessage> {
    const reply = nextMessage<OrderReplyMessage>(this.#child);
    this.#child.send(request);
    return await reply;
  }
}
