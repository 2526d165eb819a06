import { CsvError } from "csv-parse";
import { parse as parseCsv } from "csv-parse/sync";
import { positionAt } from "../shared/text-fault.js";
import { RejectedInput } from "./rejected-input.js";

/** What the parser's codes mean; its own messages count lines that we gave it one by one. */
const FAULTS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "a quoted cell is not closed on its line",
  CSV_INVALID_CLOSING_QUOTE: "there is more behind the closing quote of a cell",
  INVALID_OPENING_QUOTE: "a quote stands within a cell that did not begin with one",
};

/** The cells of one line of CSV. A quoted cell ends with its line. Throws RejectedInput. */
export function splitCsvLine(text: string, delimiter: string): readonly string[] {
  if (!text.includes('"')) return text.split(delimiter);
  const options = { delimiter, record_delimiter: "\n", relax_column_count: true };
  try {
    return (parseCsv(text, options) as string[][])[0] ?? [];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const cell = typeof error["column"] === "number" ? error["column"] : 0;
    const message = FAULTS[error.code] ?? error.message;
    throw new RejectedInput("INVALID_ROW", message, csvColumn(text, delimiter, cell));
  }
}

/** The column, counted from 1, at which cell number `cell`, counted from 0, of a line begins. */
export function csvColumn(text: string, delimiter: string, cell: number): number {
  let quoted = false;
  let at = 0;
  for (let left = cell; left > 0 && at < text.length; at++) {
    if (text[at] === '"') quoted = !quoted;
    else if (text[at] === delimiter && !quoted) left -= 1;
  }
  return positionAt(text, at).column;
}
