import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PROXY_HEADER_BYTES_MAX, readProxyHeader } from "../../src/transport/proxy-header.js";

const SIGNATURE = "0d0a0d0a000d0a515549540a";

/** A header of version 2 from its bytes behind the signature, in hex. */
const binary = (hex: string): Buffer => Buffer.from(SIGNATURE + hex.replaceAll(" ", ""), "hex");
const line = (text: string): Buffer => Buffer.from(text, "latin1");

const V4 = binary("21 11 000c c0000207 c0000201 c350 01bb");
const V6 = binary(
  `21 21 0024 20010db8000000000000000000000007 20010db8000000000000000000000001 c350 01bb`,
);
const MAPPED = binary(
  "21 21 0024 00000000000000000000ffffc0000207 00000000000000000000ffffc0000201 c350 01bb",
);
/** 192.0.2.7 with a TLV behind the ports. */
const TLV = binary("21 11 0012 c0000207 c0000201 c350 01bb 04 0003 000000");

const WHOLE: readonly (readonly [string, Buffer, string | undefined])[] = [
  ["IPv4 text", line("PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n"), "192.0.2.7"],
  ["IPv6 text", line("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"), "2001:db8::7"],
  ["unknown text", line("PROXY UNKNOWN\r\n"), undefined],
  ["unknown text with more", line("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), undefined],
  ["IPv4 binary", V4, "192.0.2.7"],
  ["IPv6 binary", V6, "2001:db8::7"],
  ["IPv4 within IPv6, binary", MAPPED, "::ffff:192.0.2.7"],
  ["IPv4 within IPv6, text", line("PROXY TCP6 ::ffff:c000:207 ::1 1 2\r\n"), "::ffff:192.0.2.7"],
  ["with a TLV", TLV, "192.0.2.7"],
  ["local", binary("20 00 0000"), undefined],
  ["local with addresses", binary("20 11 000c c0000207 c0000201 c350 01bb"), undefined],
  ["unspecified", binary("21 00 0000"), undefined],
  ["UNIX socket", binary(`21 31 00d8 ${"00".repeat(216)}`), undefined],
  ["datagram", binary("21 12 000c c0000207 c0000201 c350 01bb"), undefined],
];

describe("proxy header", () => {
  it("proxy header - both versions name the client, and where what it sends begins", () => {
    for (const [what, bytes, client] of WHOLE)
      expect([what, readProxyHeader(Buffer.concat([bytes, line("GET / HTTP/1.1\r\n")]))]).toEqual([
        what,
        { what: "header", bytes: bytes.length, client },
      ]);
  });

  it("proxy header - each part of one may be followed by more", () => {
    for (const [, bytes] of WHOLE)
      for (let length = 0; length < bytes.length; length++)
        expect(readProxyHeader(bytes.subarray(0, length))).toEqual({ what: "part" });
  });

  it("proxy header - anything else is a fault that names the rule", () => {
    for (const [bytes, text] of [
      [line("GET /ws/v3 HTTP/1.1\r\n"), "neither version"],
      [line("PROXZ "), "neither version"],
      [line("proxy TCP4"), "neither version"],
      [line("PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\n"), "CR LF"],
      [line("PROXY TCP4 192.0.2.7 192.0.2.1 50000\r\n"), "two ports"],
      [line("PROXY TCP4 192.0.2.7 192.0.2.1 50000 443 1\r\n"), "two ports"],
      [line("PROXY TCP4 192.0.2.7 192.0.2.1 050 443\r\n"), "two ports"],
      [line("PROXY TCP4 192.0.2.7 192.0.2.1 70000 443\r\n"), "two ports"],
      [line("PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n"), "two addresses of TCP4"],
      [line("PROXY TCP4 2001:db8::7 ::1 1 2\r\n"), "two addresses of TCP4"],
      [line("PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n"), "two addresses of TCP6"],
      [line("PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n"), "none of TCP4"],
      [line("PROXY constructor 1 2\r\n"), "none of TCP4"],
      [line(`PROXY TCP4 ${"1".repeat(101)}`), "more than 107 bytes"],
      [binary("11 11 000c"), "version is 1"],
      [binary("2f 11 000c"), "command is 15"],
      [binary("21 11 1001"), "length is 4097"],
      [binary("21 41 000c c0000207 c0000201 c350 01bb"), "family is 4"],
      [binary("21 13 000c c0000207 c0000201 c350 01bb"), "protocol 3"],
      [line("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"), "two addresses of TCP6"],
      [binary("21 11 000b c0000207 c0000201 c350 01"), "too small for IPv4"],
      [binary(`21 21 0023 ${"00".repeat(35)}`), "too small for IPv6"],
    ] as const) {
      const found = readProxyHeader(bytes);
      expect([bytes.toString("latin1"), found]).toEqual([
        bytes.toString("latin1"),
        { what: "fault", text: expect.stringContaining(text) },
      ]);
    }
  });

  it("proxy header - whatever comes, there is an answer, and no part of it is longer than a header", () => {
    const start = fc.constantFrom(line("PROXY TCP4 "), binary("21"), line(""));
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 9000 }), (begin, rest) => {
        const received = Buffer.concat([begin, rest]);
        const found = readProxyHeader(received);
        if (found.what === "header") expect(found.bytes).toBeLessThanOrEqual(received.length);
        if (found.what === "part") expect(received.length).toBeLessThan(PROXY_HEADER_BYTES_MAX);
      }),
    );
  });
});
