import type { MarketcastError } from "./errors.js";

/** For errors that nobody listens for. */
export function printError(error: MarketcastError): void {
  // biome-ignore lint/suspicious/noConsole: an error that nobody listens for must not be lost
  console.error(error);
}
