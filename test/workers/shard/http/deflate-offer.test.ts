import { describe, expect, it } from "vitest";
import { acceptDeflate } from "../../../../src/workers/shard/http/deflate-offer.js";

const BOTH = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

describe("deflate-offer", () => {
  it.each([
    ["permessage-deflate", 15, BOTH],
    // Chromium's and that of `ws`.
    ["permessage-deflate; client_max_window_bits", 15, BOTH],
    [`${BOTH}; client_max_window_bits`, 15, BOTH],
    // That of Python's websockets.
    [
      "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
      12,
      `${BOTH}; server_max_window_bits=12`,
    ],
    ['permessage-deflate; server_max_window_bits="15"', 15, `${BOTH}; server_max_window_bits=15`],
    ["permessage-deflate; server_max_window_bits=14", 12, `${BOTH}; server_max_window_bits=12`],
    ["permessage-deflate; client_max_window_bits=8", 15, BOTH],
    ["x-webkit-deflate-frame, permessage-deflate", 15, BOTH],
    [
      "permessage-deflate; server_max_window_bits=9, permessage-deflate; server_max_window_bits=13",
      12,
      `${BOTH}; server_max_window_bits=12`,
    ],
    ["permessage-deflate; unknown, permessage-deflate", 15, BOTH],
  ])("deflate-offer - %s is accepted with a window of %d bits", (header, windowBits, answer) => {
    expect(acceptDeflate(header)).toEqual({ windowBits, header: answer });
  });

  it.each([
    "x-webkit-deflate-frame",
    "permessage-bzip2",
    "permessage-deflate; server_max_window_bits=11",
    "permessage-deflate; server_max_window_bits=8",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=012",
    "permessage-deflate; client_max_window_bits=16",
    "permessage-deflate; client_max_window_bits=x",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=12; server_max_window_bits=15",
    "permessage-deflate; unknown",
    "permessage-deflate; toString",
  ])("deflate-offer - %s is passed over", (header) => {
    expect(acceptDeflate(header)).toBeUndefined();
  });

  it.each(["", ",", ";", "permessage-deflate;", "permessage-deflate; a=", 'a; b="', "a b"])(
    "deflate-offer - '%s' is no list of extensions",
    (header) => {
      expect(() => acceptDeflate(header)).toThrow(SyntaxError);
    },
  );
});
