import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname } from "node:path";

/** Where the build puts the page, seen from this file's own place in the build. */
const BUILT_PAGE = new URL("../../../web/", import.meta.url);

/** Everything the page may load or reach is its own server; nobody may frame it. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  // Covers the WebSocket of the same host and port as well.
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const SECURITY_HEADERS = {
  "Content-Security-Policy": CONTENT_SECURITY_POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
} as const;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Names of assets change with their content; the page itself is asked for each time. */
const ASSET_CACHING = "public, max-age=31536000, immutable";
const PAGE_CACHING = "no-cache";

const COMPRESSED = ".gz";

interface PageFile {
  readonly plain: Buffer;
  readonly gzipped: Buffer | undefined;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The files of the built page, in memory: `/` and `/assets/…`. */
export class PageFiles {
  readonly #files = new Map<string, PageFile>();

  /** Reads the page once; a build without it leaves this empty. */
  constructor(folder: URL = BUILT_PAGE) {
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      const type = CONTENT_TYPES[extname(name)];
      if (type === undefined) continue;
      const path = name === "index.html" ? "/" : `/${name}`;
      this.#files.set(path, readPageFile(new URL(name, folder), type, path));
    }
  }

  /** Whether there is a file at a path without its query. */
  has(path: string): boolean {
    return this.#files.has(path);
  }

  /** Answers a GET or HEAD of a path that is there; other methods get 405. */
  answer(path: string, request: IncomingMessage, response: ServerResponse): void {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`no page file at ${path}`);
    const { method, headers } = request;
    if (method !== "GET" && method !== "HEAD") {
      const body = "this is a page: GET it\n";
      const headers = { "Content-Type": "text/plain", "Content-Length": body.length };
      response.writeHead(405, { Allow: "GET, HEAD", ...headers });
      response.end(body);
      return;
    }
    if (isKnown(headers["if-none-match"], file.etag)) {
      response.writeHead(304, file.headers).end();
      return;
    }
    const gzipped = acceptsGzip(headers["accept-encoding"]) ? file.gzipped : undefined;
    const body = gzipped ?? file.plain;
    response.writeHead(200, {
      ...file.headers,
      ...(gzipped !== undefined && { "Content-Encoding": "gzip" }),
      "Content-Length": body.length,
    });
    response.end(method === "HEAD" ? undefined : body);
  }
}

function readPageFile(url: URL, type: string, path: string): PageFile {
  const plain = readFileSync(url);
  const compressed = new URL(url.href + COMPRESSED);
  // Weak: the plain and the compressed form share it.
  const etag = `W/"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
  return {
    plain,
    gzipped: existsSync(compressed) ? readFileSync(compressed) : undefined,
    etag,
    headers: {
      ...SECURITY_HEADERS,
      "Content-Type": type,
      "Cache-Control": path === "/" ? PAGE_CACHING : ASSET_CACHING,
      ETag: etag,
      Vary: "Accept-Encoding",
    },
  };
}

/** Whether a list of entity tags names this one, or any. */
function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const strong = (tag: string): string => tag.trim().replace(/^W\//, "");
  return ifNoneMatch.split(",").some((tag) => tag.trim() === "*" || strong(tag) === strong(etag));
}

/** Whether gzip is among the accepted codings, and not with a weight of 0. */
function acceptsGzip(acceptEncoding = ""): boolean {
  return acceptEncoding.split(",").some((each) => {
    const [coding, ...parameters] = each.toLowerCase().split(";");
    return coding?.trim() === "gzip" && !parameters.some((one) => /^\s*q=0(\.0*)?\s*$/.test(one));
  });
}
