import { type JsonPath, locateInJson, parseUniqueJson } from "../shared/exact-json.js";
import { showPosition, TextFault } from "../shared/text-fault.js";
import { readTextFile } from "../shared/text-file.js";
import { FeedConfigurationError } from "./feed-configuration-error.js";

/** The content of a JSON file that a flag names. */
interface JsonOption {
  readonly value: unknown;
  /** Where in the file the value at a path stands, as `line 3, column 7`. */
  readonly placeOf: (path: JsonPath) => string;
}

/**
 * Reads a JSON file. Throws {@link FeedConfigurationError}, which names the file, and the place and the
 * cause where it is no JSON.
 * @param unreadable what the flag must be, where there is no such file
 */
export function readJsonOption(flag: string, path: string, unreadable: string): JsonOption {
  const fail = (rule: string, cause: unknown) =>
    new FeedConfigurationError(flag, path, rule, { cause });
  let text: string;
  try {
    text = readTextFile(path);
    const value = parseUniqueJson(text);
    return { value, placeOf: (place) => showPosition(locateInJson(text, place)) };
  } catch (error) {
    if (error instanceof TextFault) {
      throw fail(`must hold JSON: ${showPosition(error.position)}: ${error.message}`, error);
    }
    throw fail(`${unreadable}: ${(error as Error).message}`, error);
  }
}
