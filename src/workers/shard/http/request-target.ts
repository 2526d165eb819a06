/** What a request asks for (RFC 9112, section 3.2). */
export interface RequestTarget {
  readonly path: string;
  /** All behind the first question mark. */
  readonly query: string;
  /** The authority of an absolute-form target, which stands for the Host header then. */
  readonly authority: string | undefined;
}

/** Scheme, authority without user information, path and query; a fragment is no part of a target. */
const ABSOLUTE_FORM = /^(?:https?|wss?):\/\/([^/?#@]+)((?:\/[^?#]*)?)(?:\?([^#]*))?$/i;
const ORIGIN_FORM = /^(\/[^?#]*)(?:\?([^#]*))?$/;

/**
 * Reads a request target in origin-form, absolute-form or, with OPTIONS, asterisk-form. Undefined
 * where it is none; `//x/ws/v3` is a path, no host and a path.
 */
export function parseRequestTarget(method: string, text: string): RequestTarget | undefined {
  const origin = ORIGIN_FORM.exec(text);
  if (origin !== null) {
    const [, path = "", query = ""] = origin;
    return { path, query, authority: undefined };
  }
  const absolute = ABSOLUTE_FORM.exec(text);
  if (absolute !== null) {
    const [, authority = "", path = "", query = ""] = absolute;
    return isHost(authority) ? { path: path || "/", query, authority } : undefined;
  }
  const asterisk = method === "OPTIONS" && text === "*";
  return asterisk ? { path: "*", query: "", authority: undefined } : undefined;
}

/** Whether a text is a host with or without a port, as in a Host header (RFC 9110, section 7.2). */
export function isHost(text: string): boolean {
  return /^(?:\[[\da-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i.test(text);
}
