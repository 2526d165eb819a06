/*
 * What texts from outside may be, wherever they come from: messages, claims of tokens, flags, files and
 * feeds.
 *
 * - All of them are well-formed Unicode. A lone surrogate has no UTF-8, so that it would be stored,
 *   hashed or sent as something else, and two different texts would become one.
 * - A **text** has no control characters but line feeds and tabs, no line or paragraph separators
 *   (U+2028, U+2029), no characters that turn the direction of what follows (U+202A to U+202E, U+2066
 *   to U+2069), and nothing that Unicode says is no character.
 * - A **line** is a text without line feeds and tabs.
 * - A **name** tells one user, wallet or thing from all others, so two of them must not look alike by
 *   means of what cannot be seen: it is a line without spaces at its ends, whose only space is U+0020;
 *   without invisible characters (joiners, variation selectors, marks of direction, U+FEFF, fillers); and
 *   without U+FFFD, which stands for what somebody could not read. Names are compared as they are:
 *   neither case nor composed characters are made equal.
 *
 * A length counts UTF-16 code units, as `String.length` does.
 */

/** From the least to the most that is asked of it. */
export type TextKind = "well-formed" | "text" | "line" | "name";

const NOT_IN_A_TEXT = /[\p{Cc}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\u202a-\u202e\u2066-\u2069]/gu;
const NOT_IN_A_NAME = /[\p{Default_Ignorable_Code_Point}\p{Cf}\u{fffd}]|(?! )\p{Zs}/u;
const LINE_FEEDS_AND_TABS = "\n\t";

const RULES: Readonly<Record<TextKind, string>> = {
  "well-formed": "must be well-formed Unicode",
  text: "must be printable",
  line: "must be printable, in one line",
  name: "must be visible characters, with no spaces at the ends",
};

/** The rule that a text breaks, and where; undefined where it breaks none. */
export function textFault(kind: TextKind, text: string): string | undefined {
  const at = faultAt(kind, text);
  if (at === undefined) return undefined;
  const codePoint = (text.codePointAt(at) as number).toString(16).toUpperCase().padStart(4, "0");
  const what = at === loneSurrogateAt(text) ? "a lone surrogate, " : "";
  return `${RULES[kind]}, and has ${what}U+${codePoint} at ${at}`;
}

/** Whether a text may stand for a user, a wallet or another thing. */
export function isName(text: string): boolean {
  return text !== "" && faultAt("name", text) === undefined;
}

function faultAt(kind: TextKind, text: string): number | undefined {
  if (!text.isWellFormed()) return loneSurrogateAt(text);
  if (kind === "well-formed") return undefined;
  for (const { 0: found, index } of text.matchAll(NOT_IN_A_TEXT))
    if (kind !== "text" || !LINE_FEEDS_AND_TABS.includes(found)) return index;
  if (kind !== "name") return undefined;
  const hidden = text.search(NOT_IN_A_NAME);
  if (hidden >= 0) return hidden;
  if (text.startsWith(" ")) return 0;
  return text.endsWith(" ") ? text.length - 1 : undefined;
}

/** Where the first surrogate is that has no other half. */
function loneSurrogateAt(text: string): number | undefined {
  if (text.isWellFormed()) return undefined;
  // With the u flag a pair is one character, so that only lone ones are surrogates.
  return text.search(/\p{Cs}/u);
}
