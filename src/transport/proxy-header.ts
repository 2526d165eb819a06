import { isIPv4, isIPv6, SocketAddress } from "node:net";

/*
 * The PROXY protocol, by which a proxy says for whom it connects, ahead of all that its client sends:
 * https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, sections 2.1 and 2.2.
 *
 * Version 1 is a line of text, `PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n`. Version 2 is binary:
 *
 *   0           12        13        14        16
 *   ├───────────┼─────────┼─────────┼─────────┼──────────────────────────────────┤
 *   │ signature │ version │ family  │ u16 big │ source and destination addresses, │
 *   │           │ command │ protocol│ length  │ their ports, then TLVs            │
 *   └───────────┴─────────┴─────────┴─────────┴──────────────────────────────────┘
 */

const LINE_START = Buffer.from("PROXY ");
const LINE_BYTES_MAX = 107;
const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const FIXED_BYTES = 16;
/** What follows the fixed part; proxies send some hundred bytes of TLVs at most. */
const VARIABLE_BYTES_MAX = 4096;
const VERSION_2 = 2;
/** The proxy's own connection, to see whether anybody is there. */
const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const FAMILY_MAX = 3;
const PROTOCOL_MAX = 2;
const STREAM = 1;
const FAMILIES = { 1: { name: "IPv4", bytes: 4 }, 2: { name: "IPv6", bytes: 16 } } as const;
const CR = 0x0d;
const LF = 0x0a;

/** Longest header. */
export const PROXY_HEADER_BYTES_MAX = FIXED_BYTES + VARIABLE_BYTES_MAX;

type ProxyHeader =
  /** There may be more to come. */
  | { readonly what: "part" }
  /** Of so many bytes. Without a client's IP address it is a connection of the proxy's own. */
  | { readonly what: "header"; readonly bytes: number; readonly client: string | undefined }
  | { readonly what: "fault"; readonly text: string };

const PART: ProxyHeader = { what: "part" };

/** Looks for a header at the beginning of what a connection has sent so far. */
export function readProxyHeader(received: Buffer): ProxyHeader {
  if (startsLike(received, SIGNATURE))
    return received.length < FIXED_BYTES ? PART : readBinary(received);
  if (startsLike(received, LINE_START)) return readLine(received);
  return fault("it begins with neither version of the PROXY protocol");
}

/** Whether all that there is so far is as in `start`. */
function startsLike(received: Buffer, start: Buffer): boolean {
  const length = Math.min(received.length, start.length);
  return received.compare(start, 0, length, 0, length) === 0;
}

function readLine(received: Buffer): ProxyHeader {
  const end = received.subarray(0, LINE_BYTES_MAX).indexOf(LF);
  if (end < 0)
    return received.length < LINE_BYTES_MAX
      ? PART
      : fault(`its line has more than ${LINE_BYTES_MAX} bytes`);
  if (received[end - 1] !== CR) return fault("its line does not end with CR LF");
  const line = received.toString("latin1", 0, end - 1);
  const bytes = end + 1;
  const [, protocol, source = "", destination = "", ...ports] = line.split(" ");
  if (protocol === "UNKNOWN") return { what: "header", bytes, client: undefined };
  if (protocol !== "TCP4" && protocol !== "TCP6")
    return fault("its protocol is none of TCP4, TCP6, UNKNOWN");
  const isAddress = protocol === "TCP4" ? isIPv4 : isIPv6;
  const isWhole =
    [source, destination].every((address) => isAddress(address) && !address.includes("%")) &&
    ports.length === 2 &&
    ports.every(isPort);
  return isWhole
    ? { what: "header", bytes, client: canonical(source) }
    : fault(`its line does not have two addresses of ${protocol} and two ports`);
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 0xffff;
}

function readBinary(received: Buffer): ProxyHeader {
  const [version, command] = halves(received, 12);
  const [family, protocol] = halves(received, 13);
  const length = received.readUInt16BE(14);
  if (version !== VERSION_2) return fault(`its version is ${version}, not ${VERSION_2}`);
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY)
    return fault(`its command is ${command}`);
  if (length > VARIABLE_BYTES_MAX)
    return fault(`its length is ${length}, over ${VARIABLE_BYTES_MAX}`);
  const bytes = FIXED_BYTES + length;
  if (received.length < bytes) return PART;
  if (command === COMMAND_LOCAL) return { what: "header", bytes, client: undefined };
  if (family > FAMILY_MAX || protocol > PROTOCOL_MAX)
    return fault(`its family is ${family} and its protocol ${protocol}`);
  // Of what is no stream over IP there is nothing to tell.
  if ((family !== 1 && family !== 2) || protocol !== STREAM)
    return { what: "header", bytes, client: undefined };
  const { name, bytes: addressBytes } = FAMILIES[family];
  if (length < 2 * addressBytes + 4) return fault(`its length is too small for ${name}`);
  const source = received.subarray(FIXED_BYTES, FIXED_BYTES + addressBytes);
  return { what: "header", bytes, client: addressText(source) };
}

function halves(bytes: Buffer, at: number): [high: number, low: number] {
  const byte = bytes.readUInt8(at);
  return [byte >> 4, byte & 0xf];
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16));
  return canonical(groups.join(":"));
}

/** As the system writes it: an IPv4 address within IPv6 ends in its four numbers. */
function canonical(address: string): string {
  return isIPv4(address) ? address : new SocketAddress({ address, family: "ipv6" }).address;
}

function fault(text: string): ProxyHeader {
  return { what: "fault", text };
}
