import { type Command, InvalidArgumentError, Option } from "commander";
import { type Encoding, MarketcastClient, type MarketId, type OpenState } from "../client/node.js";
import { ENCODINGS } from "../contract/encodings.js";
import { exactNumber, inexactReason } from "../shared/exact-number.js";
import { parseMarketId } from "../shared/market-id.js";
import { serverUrl } from "./server-url.js";
import { UsageError } from "./usage-error.js";

/** A week; timers take little more than three. */
const DURATION_MS_MAX = 7 * 86_400_000;

/** How a command reaches the server. */
export interface ClientFlags {
  readonly url?: string;
  readonly token?: string;
  readonly encoding: Encoding;
  readonly batch?: boolean;
  readonly compression?: boolean;
}

/** `--token`, which is better given by the environment: a command line is seen by every user. */
export function tokenOption(): Option {
  return new Option("--token <TOKEN>", "token; best given by the environment, out of others' sight")
    .env("MARKETCAST_TOKEN")
    .argParser((token: string) => {
      if (token === "") throw new InvalidArgumentError("It must not be empty.");
      return token;
    });
}

/** Gives a command the flags of {@link ClientFlags}. */
export function addClientFlags(command: Command): Command {
  return command
    .option("--url <URL>", "server to connect to; by default the one at --host and --port")
    .addOption(tokenOption())
    .addOption(
      new Option("--encoding <ENCODING>", "how messages come").choices(ENCODINGS).default("json"),
    )
    .option("--batch", "take several messages in a frame")
    .option("--compression", "offer the server compression");
}

/** What a command has a client do beside that. */
interface CommandOptions {
  /** For the connection, too. */
  readonly requestTimeoutMs: number;
  readonly maxOrderAgeMs: number;
}

/** A client for the server that the flags name; it connects at once. Throws UsageError. */
export function newClient(
  { url, token, encoding, batch = false, compression = false }: ClientFlags,
  program: Command,
  options?: CommandOptions,
): MarketcastClient {
  return new MarketcastClient({
    url: serverUrl(url, program),
    encoding,
    batch,
    compression,
    ...(token !== undefined && { token }),
    ...(options !== undefined && { ...options, connectTimeoutMs: options.requestTimeoutMs }),
  });
}

/**
 * Resolves when the first connection of a new client is open, and rejects where it cannot be made: a
 * command that is run by hand should say so rather than wait for a server.
 */
export function opened(client: MarketcastClient, signal?: AbortSignal): Promise<OpenState> {
  return new Promise((resolve, reject) => {
    client.once("state", (state) => {
      if (state.status === "open") resolve(state);
      else if (state.status !== "connecting") reject(state.cause);
    });
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** The wallet that a command is about. Throws UsageError where neither flag nor token names one. */
export function walletOf(given: string | undefined, state: OpenState): string {
  const wallet = given ?? state.wallet;
  if (typeof wallet === "string") return wallet;
  throw new UsageError(
    state.userId === undefined
      ? "token: is needed; set MARKETCAST_TOKEN"
      : "wallet: the token names none; give --wallet",
  );
}

export function parseMarket(text: string): MarketId {
  const id = parseMarketId(text);
  if (id === undefined) throw new InvalidArgumentError("It is not an integer from 0 to 2^128 - 1.");
  return id;
}

export function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError("It is not an integer from 1.");
}

export function parseMilliseconds(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (ms >= 1 && ms <= DURATION_MS_MAX) return ms;
  throw new InvalidArgumentError(`It is not an integer from 1 to ${DURATION_MS_MAX}.`);
}

/** A number above zero, such as a price. */
export function parsePositive(text: string): number {
  const number = parseExact(text);
  if (number > 0) return number;
  throw new InvalidArgumentError("It is not a number above 0.");
}

/** The number that a flag's decimal stands for exactly. */
export function parseExact(text: string): number {
  const number = exactNumber(text.trim());
  if (number !== undefined) return number;
  throw new InvalidArgumentError(`It ${inexactReason(text.trim())}.`);
}
