import { ServerError } from "marketcast/client";

/** Fields of the ticket that a rule may be about. */
const FIELDS = { price: "price", quantity: "quantity", expires_ts: "expires" } as const;

/** Why the server does not do what was asked. */
export interface Refusal {
  /** The rule that an order breaks, or the error's code; undefined where it was not the server that refused. */
  readonly rule: string | undefined;
  readonly text: string;
  /** The field that the rule is about, if the ticket has it. */
  readonly field: (typeof FIELDS)[keyof typeof FIELDS] | undefined;
}

/** What an error says, by the rule that it names. */
export function refusalOf(error: Error): Refusal {
  if (!(error instanceof ServerError))
    return { rule: undefined, text: error.message, field: undefined };
  const { rule, field } = error.details ?? {};
  if (typeof rule !== "string") return { rule: error.code, text: error.message, field: undefined };
  const isOurs = typeof field === "string" && Object.hasOwn(FIELDS, field);
  return {
    rule,
    text: error.message,
    field: isOurs ? FIELDS[field as keyof typeof FIELDS] : undefined,
  };
}

/** What was asked in vain, and by which rule, such as: Order not placed: post_only. */
export function refusedTitle(what: string, { rule }: Refusal): string {
  return rule === undefined ? what : `${what}: ${rule}`;
}
