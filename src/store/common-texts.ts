/** Texts that are kept; with more all are forgotten, and gathered anew. */
const TEXTS_MAX = 100_000;

const texts = new Map<string, string>();

/**
 * The same text, as it was first given: of the wallets that a million records name there are some thousands. One
 * that is the same object is found in a map without a look at its characters, and takes no memory of its own.
 */
export function commonText(text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  if (texts.size >= TEXTS_MAX) texts.clear();
  texts.set(text, text);
  return text;
}
