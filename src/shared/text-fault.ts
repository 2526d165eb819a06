import { CodedError } from "./coded-error.js";

/** A place in a text: both counted from 1, columns in characters. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/**
 * Thrown for a text that cannot be read; the message says what was found there, and quotes nothing of
 * the text, which may hold secrets.
 */
export class TextFault extends CodedError<"TEXT_INVALID"> {
  readonly position: TextPosition;

  constructor(message: string, position: TextPosition) {
    super("TEXT_INVALID", message);
    this.position = position;
  }
}

/** Line and column of the character at `offset`, an index of the string. */
export function positionAt(text: string, offset: number): TextPosition {
  const lineStart = offset === 0 ? 0 : text.lastIndexOf("\n", offset - 1) + 1;
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < lineStart; at = text.indexOf("\n", at + 1)) {
    line += 1;
  }
  return { line, column: [...text.slice(lineStart, offset)].length + 1 };
}

export function showPosition({ line, column }: TextPosition): string {
  return `line ${line}, column ${column}`;
}
