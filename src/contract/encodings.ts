/** Encodings a connection can speak, in the order of their indices, and the frames they come in. */
export const ENCODING_FRAMES = {
  json: "text",
  msgpack: "binary",
} as const satisfies Record<string, "text" | "binary">;
export type Encoding = keyof typeof ENCODING_FRAMES;

/** Names of the encodings, in the order of their indices. */
export const ENCODINGS = Object.keys(ENCODING_FRAMES) as readonly Encoding[];

/** WebSocket subprotocol that stands for an encoding. */
export function subprotocolOf(encoding: Encoding): string {
  return `marketcast.${encoding}`;
}

/** WebSocket subprotocols of the encodings, in the order of their indices. */
export function subprotocols(): readonly string[] {
  return ENCODINGS.map(subprotocolOf);
}

/** The encoding a subprotocol name stands for. */
export function encodingOfSubprotocol(name: string): Encoding | undefined {
  return ENCODINGS.find((encoding) => subprotocolOf(encoding) === name);
}

/**
 * Picks the encoding of a connection from the subprotocols a client offers, in its order: the first
 * one known. None offered is JSON; some offered but none known is undefined, to be refused.
 */
export function negotiateEncoding(offered: Iterable<string>): Encoding | undefined {
  let any = false;
  for (const name of offered) {
    any = true;
    const encoding = encodingOfSubprotocol(name);
    if (encoding !== undefined) return encoding;
  }
  return any ? undefined : "json";
}
