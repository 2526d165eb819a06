/** What both ends of a connection have to know of an encoding. */
export interface EncodingForm {
  /** WebSocket subprotocol that stands for it. */
  readonly subprotocol: string;
  /** The frames that its messages come in, either way. */
  readonly frames: "text" | "binary";
}

/** Encodings a connection can speak, in the order of their indices. */
export const ENCODING_FORMS = {
  json: { subprotocol: "marketcast.json", frames: "text" },
  msgpack: { subprotocol: "marketcast.msgpack", frames: "binary" },
} as const satisfies Record<string, EncodingForm>;
export type Encoding = keyof typeof ENCODING_FORMS;

/** Names of the encodings, in the order of their indices. */
export const ENCODINGS = Object.keys(ENCODING_FORMS) as readonly Encoding[];

/** WebSocket subprotocols of the encodings, in the order of their indices. */
export const SUBPROTOCOLS = Object.values(ENCODING_FORMS).map(({ subprotocol }) => subprotocol);

/** The encoding a subprotocol name stands for. */
export function encodingOfSubprotocol(name: string): Encoding | undefined {
  return ENCODINGS.find((encoding) => ENCODING_FORMS[encoding].subprotocol === name);
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
