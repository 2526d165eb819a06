import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isName, type TextKind, textFault } from "../../src/shared/text.js";

/** What kinds take a text: those before the one that is named here refuse it with all that ask for more. */
const KINDS: readonly TextKind[] = ["well-formed", "text", "line", "name"];

describe("text", () => {
  it.each<[string, TextKind | undefined, string]>([
    ["a lone high surrogate", undefined, "a\ud800b"],
    ["a lone low surrogate", undefined, "\udc00"],
    ["halves in the wrong order", undefined, "\udc00\ud800"],
    ["half a character at the end", undefined, "😀".slice(0, 1)],
    ["NUL", "well-formed", "a\u0000"],
    ["an escape sequence", "well-formed", "\u001b[2J"],
    ["DEL", "well-formed", "\u007f"],
    ["a C1 control", "well-formed", "\u0085"],
    ["a line separator", "well-formed", "a\u2028b"],
    ["a paragraph separator", "well-formed", "a\u2029b"],
    ["an override of direction", "well-formed", "\u202egnp.exe"],
    ["an isolate", "well-formed", "\u2067a"],
    ["no character", "well-formed", "\uffff"],
    ["no character of another plane", "well-formed", "\u{1fffe}"],
    ["a line feed", "text", "one\ntwo"],
    ["a tab", "text", "one\ttwo"],
    ["spaces at the end", "line", "rain "],
    ["spaces at the beginning", "line", " rain"],
    ["a no-break space", "line", "a\u00a0b"],
    ["an ideographic space", "line", "\u3000"],
    ["a zero-width space", "line", "a\u200bb"],
    ["a zero-width joiner", "line", "👩\u200d🚀"],
    ["a byte order mark", "line", "\ufeffa"],
    ["a soft hyphen", "line", "a\u00ad"],
    ["a variation selector", "line", "❄\ufe0f"],
    ["a filler", "line", "\u3164"],
    ["a tag", "line", "a\u{e0041}"],
    ["a mark of direction", "line", "\u200ea"],
    ["what nobody could read", "line", "\ufffd"],
    ["a name with a space", "name", "John Smith"],
    ["an address", "name", "0x52908400098527886E0F7030069857D2E4169EE7"],
    ["a name beyond the basic plane", "name", "𝔞😀"],
    ["composed and combining characters", "name", "é e\u0301 한 ßİ"],
    ["punctuation", "name", "auth0|a/b:c@d.e+f-g_h~\"'\\"],
  ])("text - %s is of no more than the kind %s", (_, most, text) => {
    const taken = KINDS.filter((kind) => textFault(kind, text) === undefined);
    expect(taken).toEqual(KINDS.slice(0, most === undefined ? 0 : KINDS.indexOf(most) + 1));
    expect(isName(text)).toBe(most === "name");
  });

  it("text - an empty one breaks no rule, and is no name", () => {
    for (const kind of KINDS) expect(textFault(kind, "")).toBeUndefined();
    expect(isName("")).toBe(false);
  });

  it("text - a fault names the rule, the character and its place", () => {
    expect(textFault("well-formed", "a😀\ud800")).toBe(
      "must be well-formed Unicode, and has a lone surrogate, U+D800 at 3",
    );
    expect(textFault("text", "ab\u0007")).toBe("must be printable, and has U+0007 at 2");
    expect(textFault("line", "a\nb")).toBe("must be printable, in one line, and has U+000A at 1");
    expect(textFault("name", "a ")).toBe(
      "must be visible characters, with no spaces at the ends, and has U+0020 at 1",
    );
    expect(textFault("name", "a\u{e0041}")).toContain("U+E0041 at 1");
  });

  it("text - what is taken is the same after it was UTF-8", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
        (text) => {
          const survives = Buffer.from(text, "utf8").toString("utf8") === text;
          expect(textFault("well-formed", text) === undefined).toBe(survives);
          for (const kind of KINDS)
            if (textFault(kind, text) === undefined) expect(survives).toBe(true);
        },
      ),
    );
  });

  it("text - a long one is looked through in no time", () => {
    const startedAt = performance.now();
    for (const unit of ["a", " ", "\n", "a ", "😀"]) textFault("name", unit.repeat(500_000));
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});
