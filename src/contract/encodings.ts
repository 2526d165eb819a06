/** Encodings a connection can speak, in the order of their indices, and the frames they come in. */
export const ENCODING_FRAMES = {
  json: "text",
  msgpack: "binary",
  protobuf: "binary",
} as const satisfies Record<string, "text" | "binary">;
export type Encoding = keyof typeof ENCODING_FRAMES;

/** Names of the encodings, in the order of their indices. */
export const ENCODINGS = Object.keys(ENCODING_FRAMES) as readonly Encoding[];

/** WebSocket subprotocol that stands for an encoding. */
export function subprotocolOf(encoding: Encoding): string {
  return subprotocolNamed(encoding);
}

/** WebSocket subprotocols of the encodings, in the order of their indices. */
export function subprotocols(): readonly string[] {
  return ENCODINGS.map(subprotocolNamed);
}

function subprotocolNamed(encoding: string): string {
  return `marketcast.${encoding}`;
}

/**
 * Picks the encoding of a connection from the subprotocols a client offers, in its order: the first
 * one known. None offered is JSON, the first; some offered but none known is undefined, to be refused.
 * @param encodings names of those that can be picked, all by default
 */
export function negotiateEncoding(offered: Iterable<string>): Encoding | undefined;
export function negotiateEncoding<E extends string>(
  offered: Iterable<string>,
  encodings: readonly E[],
): E | undefined;
export function negotiateEncoding(
  offered: Iterable<string>,
  encodings: readonly string[] = ENCODINGS,
): string | undefined {
  let any = false;
  for (const name of offered) {
    any = true;
    const encoding = encodings.find((one) => subprotocolNamed(one) === name);
    if (encoding !== undefined) return encoding;
  }
  return any ? undefined : encodings[0];
}
