import { constants } from "node:os";
import type { Command } from "commander";
import type { MarketcastClient, ServerMessage, ServerType } from "../client/node.js";
import {
  addChannelFlags,
  type ChannelFlags,
  channelsOf,
  checkChannelFlags,
} from "./channel-flags.js";
import {
  addClientFlags,
  type ClientFlags,
  newClient,
  opened,
  parseCount,
  parseMilliseconds,
  walletOf,
} from "./client-flags.js";
import { messageLines } from "./message-lines.js";
import { OutputError, print, tell } from "./output.js";
import { tellClientEvents, tellStaleness } from "./tell-client-events.js";

interface TailFlags extends ClientFlags, ChannelFlags {
  readonly all?: boolean;
  readonly count?: number;
  readonly timeout?: number;
}

/** Messages of the connection, not of a channel. */
const CONNECTION_TYPES: ReadonlySet<ServerType> = new Set([
  "Connected",
  "Authenticated",
  "Subscribed",
  "Unsubscribed",
  "Pong",
  "Error",
]);

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Output lines, each with its line feed, of the first `flags.count` messages that are asked for. */
async function* outputOf(
  messages: AsyncIterable<ServerMessage>,
  flags: TailFlags,
): AsyncGenerator<string> {
  const pretty = process.stdout.isTTY;
  let count = 0;
  for await (const message of messages) {
    if (flags.all !== true && CONNECTION_TYPES.has(message.type)) continue;
    const lines = pretty ? messageLines(message) : [JSON.stringify(message)];
    yield `${lines.join("\n")}\n`;
    count++;
    if (count === flags.count) return;
  }
}

/** Ends the command, once, at a signal or after a time; at a second signal it ends at once. */
function stopAtSignalOrTimeout(flags: TailFlags, stop: (exitCode: number) => void): () => void {
  let stopping = false;
  const onSignal = (signal: (typeof SIGNALS)[number]): void => {
    const exitCode = 128 + constants.signals[signal];
    if (stopping) process.exit(exitCode);
    stopping = true;
    stop(exitCode);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const timer =
    flags.timeout === undefined
      ? undefined
      : setTimeout(() => stop(flags.count === undefined ? 0 : 1), flags.timeout);
  return () => {
    clearTimeout(timer);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

async function run(client: MarketcastClient, flags: TailFlags): Promise<void> {
  const messages = client[Symbol.asyncIterator]();
  const stopped = new AbortController();
  const { signal } = stopped;
  const dispose = stopAtSignalOrTimeout(flags, (exitCode) => {
    process.exitCode = exitCode;
    stopped.abort();
    // What waits is not printed any more: whoever reads may have stopped doing so.
    void messages.return?.();
  });
  client.on("subscriptionLost", ({ cause }) => {
    if (client.subscriptions.length > 0) return;
    process.exitCode = 1;
    void messages.return?.();
    void tell(`nothing is subscribed any more: ${cause.code}`);
  });
  try {
    const state = await opened(client, signal);
    tellClientEvents(client);
    if (flags.channel.includes("Heartbeat")) tellStaleness(client);
    const channels = channelsOf(flags, () => walletOf(flags.wallet, state));
    await client.subscribe(channels, { signal });
    for await (const lines of outputOf(messages, flags)) {
      // Whoever reads standard output may have had enough.
      if (!(await print(lines))) break;
    }
  } catch (error) {
    if (!signal.aborted || error instanceof OutputError) throw error;
  } finally {
    dispose();
  }
  const { dropped } = client.stats;
  if (dropped > 0) await tell(`${dropped} messages were dropped, as output was read too slowly`);
}

async function tail(flags: TailFlags, program: Command): Promise<void> {
  checkChannelFlags(flags);
  const client = newClient(flags, program);
  try {
    await run(client, flags);
  } finally {
    await client.close();
  }
}

/** `marketcast tail`: prints the messages of channels as they come. */
export function addTailCommand(program: Command): void {
  const command = program
    .command("tail")
    .description("print the messages of channels: lines on a terminal, NDJSON into a pipe");
  addChannelFlags(command)
    .option("--count <N>", "end after so many messages", parseCount)
    .option(
      "--timeout <MS>",
      "end after so long; exit code 1 where --count was not reached",
      parseMilliseconds,
    )
    .option("--all", "print greetings, replies and errors too, which are of no channel");
  addClientFlags(command).action((flags: TailFlags) => tail(flags, program));
}
