import { MarketcastError } from "../client/node.js";

/** Errors of connecting to several addresses have a code and no message. */
function messageOf(error: Error): string {
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name;
}

/** An error in one line for the user: its code, if it is one of the client's, its message, its cause. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = messageOf(error);
  const text = error instanceof MarketcastError ? `${error.code}: ${message}` : message;
  const { cause } = error;
  if (!(cause instanceof Error) || message.includes(messageOf(cause))) return text;
  return `${text} (${errorText(cause)})`;
}
