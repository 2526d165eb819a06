import { extension } from "ws";

declare module "ws" {
  /** Reads the header `Sec-WebSocket-Extensions`; throws SyntaxError. */
  const extension: {
    parse(header: string): Readonly<Record<string, readonly ExtensionParameters[]>>;
  };
}

/** The values of each parameter of an offer; `true` stands for none. */
type ExtensionParameters = Readonly<Record<string, readonly (string | true)[]>>;

const NAME = "permessage-deflate";
const SERVER_WINDOW = "server_max_window_bits";
const CLIENT_WINDOW = "client_max_window_bits";
/** Parameters without a value. */
const SWITCHES = ["server_no_context_takeover", "client_no_context_takeover"];
/** A decimal from 8 to 15 without leading zeros. */
const WINDOW_VALUE = /^(?:[89]|1[0-5])$/;

/**
 * Windows that are compressed with, as powers of two, the best one first. Few, as connections share what
 * is compressed with the same one: the largest, and the one that Python's `websockets` asks for.
 */
export const WINDOW_BITS = [15, 12] as const;
export type WindowBits = (typeof WINDOW_BITS)[number];

/** What was agreed on. */
export interface DeflateTerms {
  readonly windowBits: WindowBits;
  /** The value of `Sec-WebSocket-Extensions` in the answer. */
  readonly header: string;
}

/**
 * Picks from the offers of a header `Sec-WebSocket-Extensions` the first of `permessage-deflate` that can be
 * had: with both sides forgetting each message, which a server may ask of any client (RFC 7692, section
 * 7.1.1), and a window that we compress with. Undefined where there is none; an offer that is not as the RFC
 * says is passed over, as it asks. Throws SyntaxError where the header is no list of extensions.
 */
export function acceptDeflate(header: string): DeflateTerms | undefined {
  for (const offer of extension.parse(header)[NAME] ?? []) {
    const terms = acceptOffer(offer);
    if (terms !== undefined) return terms;
  }
  return undefined;
}

function acceptOffer(offer: ExtensionParameters): DeflateTerms | undefined {
  for (const [name, values] of Object.entries(offer)) {
    const [value] = values as [string | true];
    if (values.length > 1 || !isSound(name, value)) return undefined;
  }
  const asked = offer[SERVER_WINDOW]?.[0];
  const windowBits = WINDOW_BITS.find((bits) => asked === undefined || bits <= Number(asked));
  if (windowBits === undefined) return undefined;
  const window = asked === undefined ? [] : [`${SERVER_WINDOW}=${windowBits}`];
  return { windowBits, header: [NAME, ...SWITCHES, ...window].join("; ") };
}

function isSound(name: string, value: string | true): boolean {
  if (SWITCHES.includes(name)) return value === true;
  if (name === CLIENT_WINDOW && value === true) return true;
  return (name === SERVER_WINDOW || name === CLIENT_WINDOW) && WINDOW_VALUE.test(String(value));
}
