import { CHANNEL_NAME_CHARACTERS_MAX, PUBLICATION_BYTES_MAX } from "./limits.js";

/** What the name of a channel is made of that users publish to. */
const CHANNEL_NAME = new RegExp(`^[A-Za-z0-9_.:-]{1,${CHANNEL_NAME_CHARACTERS_MAX}}$`);
export const CHANNEL_NAME_RULE = `must be 1 to ${CHANNEL_NAME_CHARACTERS_MAX} of A-Z, a-z, 0-9, _, ., : and -`;

/** Deepest nesting of lists and objects in what is published: as deep as a message of any encoding can carry. */
const DEPTH_MAX = 14;

export function isChannelName(name: unknown): name is string {
  return typeof name === "string" && CHANNEL_NAME.test(name);
}

/**
 * What is published, any value that JSON has, as JSON without white space, which is what a publication is counted
 * by; or why it cannot be, for what JSON would change or does not have.
 */
export function publicationOf(
  value: unknown,
): { readonly json: string; readonly fault?: undefined } | { readonly fault: string } {
  const fault = valueFault(value, 0);
  if (fault !== undefined) return { fault };
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  if (bytes <= PUBLICATION_BYTES_MAX) return { json };
  return { fault: `has ${bytes} bytes as JSON, and at most ${PUBLICATION_BYTES_MAX} are taken` };
}

function valueFault(value: unknown, depth: number): string | undefined {
  switch (typeof value) {
    case "string":
      return textFault(value);
    case "number":
      return Number.isFinite(value)
        ? undefined
        : `has the number ${value}, which is none of JSON's`;
    case "boolean":
      return undefined;
    case "bigint":
      return `has the integer ${value}, and beyond 2^53-1 they are not exact`;
    case "object":
      return value === null ? undefined : partsFault(value, depth + 1);
    default:
      return "is missing";
  }
}

function partsFault(value: object, depth: number): string | undefined {
  if (ArrayBuffer.isView(value)) return "has bytes, which are none of JSON's values";
  if (depth > DEPTH_MAX) return `is nested more than ${DEPTH_MAX} deep`;
  for (const [name, part] of Object.entries(value)) {
    const fault = textFault(name) ?? valueFault(part, depth);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function textFault(text: string): string | undefined {
  return text.isWellFormed() ? undefined : "has text that is no well-formed Unicode";
}
