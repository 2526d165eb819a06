/** Encodings a connection can speak, in the order of their indices. */
export const ENCODINGS = ["json", "msgpack"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** Index of an encoding, for arrays that hold one thing per encoding. */
export const ENCODING_INDEX = { json: 0, msgpack: 1 } as const satisfies Record<Encoding, number>;

/** WebSocket subprotocol of each encoding. */
export const SUBPROTOCOLS = {
  json: "marketcast.json",
  msgpack: "marketcast.msgpack",
} as const satisfies Record<Encoding, string>;

/** The encoding a subprotocol name stands for. */
export function encodingOfSubprotocol(name: string): Encoding | undefined {
  return ENCODINGS.find((encoding) => SUBPROTOCOLS[encoding] === name);
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
