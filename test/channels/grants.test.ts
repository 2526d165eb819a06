import { describe, expect, it } from "vitest";
import { isGranted } from "../../src/channels/grants.js";

const LONGEST = "a".repeat(128);

describe("grants", () => {
  it.each([
    ["a name alone", ["desk-1"], "desk-1", true],
    ["another name", ["desk-1"], "desk-2", false],
    ["a name that begins with it", ["desk-1"], "desk-11", false],
    ["a name in another case", ["desk-1"], "Desk-1", false],
    ["one of several", ["a", "desk-1", "b"], "desk-1", true],
    ["every character that names have", ["AZ az09_.:-".replace(" ", "")], "AZaz09_.:-", true],
    ["a beginning", ["desk-*"], "desk-1", true],
    ["the beginning itself", ["desk-*"], "desk-", true],
    ["less than the beginning", ["desk-*"], "desk", false],
    ["another beginning", ["desk-*"], "room-1", false],
    ["a pattern's beginning in the middle", ["desk-*"], "my-desk-1", false],
    ["all", ["*"], "anything", true],
    ["the longest name", [LONGEST], LONGEST, true],
    ["the longest beginning", [`${LONGEST}*`], LONGEST, true],
    ["nothing", [], "desk-1", false],
    ["a claim that is missing", undefined, "desk-1", false],
    ["a claim that is null", null, "desk-1", false],
    ["a claim that is a text", "desk-1", "desk-1", false],
    ["a claim that is a pattern", "*", "desk-1", false],
    ["a claim that is an object", { 0: "desk-1", length: 1 }, "desk-1", false],
    ["a claim that is true", true, "desk-1", false],
    ["a star that is not at the end", ["*-1", "de*k-1"], "desk-1", false],
    ["two stars", ["desk**", "**"], "desk-1", false],
    ["entries that are no texts", [1, null, true, ["desk-1"], { name: "desk-1" }], "desk-1", false],
    ["a good entry beside malformed ones", [7, "d**", "desk-1"], "desk-1", true],
    ["a pattern of characters that names have not", ["désk*", "desk 1*"], "desk-1", false],
    ["a beginning that is too long", [`${LONGEST}a*`], LONGEST, false],
    ["an empty text", [""], "desk-1", false],
    ["a channel that has no name", ["*", ""], "", false],
    ["a channel with a star for a name", ["*"], "*", false],
    ["a channel whose name is too long", ["*"], `${LONGEST}a`, false],
    ["a channel of other characters", ["*"], "desk 1", false],
  ])("grants - %s", (_, claim, channel, granted) => {
    expect(isGranted(claim, channel)).toBe(granted);
  });
});
