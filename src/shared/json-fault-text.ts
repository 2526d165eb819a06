import { type ParseErrorCode, printParseErrorCode } from "jsonc-parser";

type FaultName = ReturnType<typeof printParseErrorCode>;

/** What should stand where something else, or nothing, was found. */
const EXPECTED: Partial<Record<FaultName, string>> = {
  PropertyNameExpected: "a key in double quotes",
  ValueExpected: "a value",
  ColonExpected: "a colon",
  CommaExpected: "a comma or the end of the list",
  CloseBraceExpected: "a closing brace",
  CloseBracketExpected: "a closing bracket",
  EndOfFileExpected: "the end",
};

/** What was found, where one character does not say it. */
const FOUND: Partial<Record<FaultName, string>> = {
  InvalidCommentToken: "a comment",
  UnexpectedEndOfString: "a string without its closing quote",
  UnexpectedEndOfNumber: "a number without digits behind its point or exponent",
  InvalidUnicode: "a \\u without four hexadecimal digits",
  InvalidEscapeCharacter: "a backslash before a character that needs none",
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is searched for.
const CONTROL_CHARACTER = /[\u0000-\u001f]/;
/** An escape, or a backslash alone where it begins none. */
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})?/g;

const CHARACTERS: Readonly<Record<string, string>> = {
  "{": "an opening brace",
  "}": "a closing brace",
  "[": "an opening bracket",
  "]": "a closing bracket",
  ",": "a comma",
  ":": "a colon",
  '"': "a double quote",
  "'": "a single quote",
  "+": "a plus sign",
  "-": "a minus sign",
  ".": "a point",
};

/** Where in a token the fault is that the parser reports for the whole of it. */
export function faultOffset(
  code: ParseErrorCode,
  text: string,
  offset: number,
  length: number,
): number {
  const token = text.slice(offset, offset + length);
  switch (printParseErrorCode(code)) {
    case "InvalidCharacter":
      return offset + Math.max(0, token.search(CONTROL_CHARACTER));
    case "InvalidEscapeCharacter":
    case "InvalidUnicode":
      return offset + ([...token.matchAll(ESCAPE)].find(([match]) => match === "\\")?.index ?? 0);
    default:
      return offset;
  }
}

/** Says what was found at `offset` and what was expected, quoting nothing. */
export function describeFault(code: ParseErrorCode, text: string, offset: number): string {
  const name = printParseErrorCode(code);
  const found = FOUND[name] ?? characterAt(text, offset);
  const expected = EXPECTED[name];
  return expected === undefined ? `found ${found}` : `found ${found}, expected ${expected}`;
}

/** The kind of the character at `offset`; the character itself may be a secret's. */
export function characterAt(text: string, offset: number): string {
  const code = text.codePointAt(offset);
  if (code === undefined) return "the end";
  const character = String.fromCodePoint(code);
  const known = CHARACTERS[character];
  if (known !== undefined) return known;
  if (/[\p{C}\p{Z}]/u.test(character)) {
    return `the character U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  }
  if (/\p{L}/u.test(character)) return "a letter";
  if (/\p{N}/u.test(character)) return "a digit";
  return /[\p{Pi}\p{Pf}]/u.test(character) ? "a typographic quote" : "a symbol";
}
