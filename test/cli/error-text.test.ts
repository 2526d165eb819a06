import { describe, expect, it } from "vitest";
import { errorText } from "../../src/cli/error-text.js";
import {
  DisconnectedError,
  HandshakeError,
  RequestTimeoutError,
  ServerError,
} from "../../src/client/node.js";

const refused = Object.assign(new AggregateError([]), { code: "ECONNREFUSED" });

describe("error text", () => {
  it.each([
    [new ServerError({ code: "FORBIDDEN", message: "not yours" }), "FORBIDDEN: not yours"],
    [new Error("plain"), "plain"],
    ["thrown", "thrown"],
    [
      new DisconnectedError("the connection ended with 1006", 1006, { cause: refused }),
      "DISCONNECTED: the connection ended with 1006 (ECONNREFUSED)",
    ],
    [
      new DisconnectedError("ended: reset", 1006, { cause: new Error("reset") }),
      "DISCONNECTED: ended: reset",
    ],
    [
      new RequestTimeoutError("no answer", true, {
        cause: new HandshakeError("answered 503", 503),
      }),
      "REQUEST_TIMEOUT: no answer (HANDSHAKE_REFUSED: answered 503)",
    ],
  ])("error text - of %s", (error, text) => {
    expect(errorText(error)).toBe(text);
  });
});
