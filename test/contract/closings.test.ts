import { describe, expect, it } from "vitest";
import { CLOSE_CODES } from "../../src/contract/close-codes.js";
import { CLOSE, type Closing } from "../../src/contract/closings.js";

type MakeClosing = (...details: readonly number[]) => Closing;

const LARGEST = Number.MAX_SAFE_INTEGER;

describe("closings", () => {
  it("closings - each has its code and its reason, byte for byte", () => {
    const said = [
      CLOSE.wrongFrames("binary"),
      CLOSE.unendedMessage(1),
      CLOSE.notDeflated,
      CLOSE.inflatedNotUtf8,
      CLOSE.inflatesTooLarge(8),
      CLOSE.serverFault,
      CLOSE.restart,
      CLOSE.rebalance,
      CLOSE.idle(2),
      CLOSE.queueFull(3, 4),
      CLOSE.repliesUnread(5),
      CLOSE.tradesLost,
      CLOSE.replayLost,
      CLOSE.publicationsLost,
      CLOSE.pongTimeout(6),
      CLOSE.sessionTaken,
      CLOSE.tokenExpired,
      CLOSE.flooding(7),
    ].map(({ code, reason }) => `${code} ${reason}`);
    expect(said).toEqual([
      "1003 this connection's messages are binary frames",
      "1008 a message did not end within 1 ms",
      "1007 a compressed message is not whole, or no raw deflate data",
      "1007 a compressed text is not UTF-8",
      "1009 a compressed message has more than 8 bytes when it is inflated",
      "1011 server fault",
      "1012 the server restarts",
      "1012 connections are spread over the servers anew",
      "4000 neither subscription nor message for 2 ms",
      "4001 slow consumer: more than 3 messages or 4 bytes wait",
      "4001 slow consumer: more than 5 bytes of replies wait",
      "4001 trades were lost before they reached this shard",
      "4001 what was to be replayed of orders is there no more",
      "4001 publications of a channel are there no more",
      "4002 nothing came back within 6 ms of a ping",
      "4003 another connection has taken over the session",
      "4500 the token has expired",
      "4501 more than 7 messages a second after RATE_LIMITED",
    ]);
    expect(said.length).toBe(Object.keys(CLOSE).length);
  });

  it("closings - each of the server's own codes is that of one, and no reason is too long for a frame", () => {
    const longest = Object.values(CLOSE).map((closing) =>
      // A closing takes as many details as it has.
      typeof closing === "function" ? (closing as MakeClosing)(LARGEST, LARGEST) : closing,
    );
    const codes = new Set<number>(longest.map(({ code }) => code));
    const own = Object.values(CLOSE_CODES).filter((code) => code >= 4000);
    expect(own.filter((code) => !codes.has(code))).toEqual([]);
    for (const { reason } of longest) expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
  });
});
