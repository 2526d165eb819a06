import type { Command } from "commander";
import type { MarketcastClient, OpenState } from "../client/node.js";
import {
  addClientFlags,
  type ClientFlags,
  newClient,
  opened,
  parseMilliseconds,
} from "./client-flags.js";
import { tellClientEvents } from "./tell-client-events.js";
import { UsageError } from "./usage-error.js";

const TIMEOUT_MS = 10_000;

/** The flags that every command about orders has. */
export interface OrderFlags extends ClientFlags {
  /** For the connection, and for the answer, in milliseconds. */
  readonly timeout: number;
}

export function addOrderFlags(command: Command): Command {
  return addClientFlags(command).option(
    "--timeout <MS>",
    "longest wait for the connection and for the answer",
    parseMilliseconds,
    TIMEOUT_MS,
  );
}

/**
 * Connects, runs a command and closes. Rejects with UsageError without a token, and with why there is no
 * connection.
 * @param maxOrderAgeMs how long the orders of the command are good for, if not for ever
 */
export async function withClient(
  flags: OrderFlags,
  program: Command,
  run: (client: MarketcastClient, state: OpenState) => Promise<void>,
  maxOrderAgeMs = 0,
): Promise<void> {
  if (flags.token === undefined) throw new UsageError("token: is needed; set MARKETCAST_TOKEN");
  const client = newClient(flags, program, { requestTimeoutMs: flags.timeout, maxOrderAgeMs });
  try {
    const state = await opened(client);
    tellClientEvents(client);
    await run(client, state);
  } finally {
    await client.close();
  }
}
