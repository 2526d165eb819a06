import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { hostnameOf } from "../config/hostname.js";
import { isLoopback } from "../shared/loopback.js";

/** Why a request is not answered as it was meant. */
export interface OpsRefusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a request is after, as far as it decides who may ask. */
interface OpsAccess {
  /** It needs no token: a probe has none. */
  readonly open: boolean;
  /** It changes something. */
  readonly change: boolean;
}

interface OpsGuardOptions {
  /** Undefined where none is asked for. */
  readonly token: string | undefined;
  /** Names that the port is reached by, as {@link hostnameOf} gives them. */
  readonly names: readonly string[];
  /** The address that the port listens on. */
  readonly address: string;
}

/** Browsers say where a request comes from; other clients do not. */
const OWN_SITES = ["none", "same-origin"];
const JSON_TYPE = /^application\/json *(?:; *charset="?utf-8"? *)?$/i;

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function forbidden(message: string): OpsRefusal {
  return { status: 403, code: "FORBIDDEN", message };
}

/** The path of a request's target, and its authority where the target is a whole URL. */
export function targetOf(request: IncomingMessage): {
  readonly path: string;
  readonly authority: string | undefined;
} {
  const { url = "" } = request;
  const [, authority, rest = url] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url) ?? [];
  return { path: rest.split("?", 1)[0] || "/", authority };
}

/**
 * Decides who may ask the operations port for what. On loopback no page may read it: one that a name
 * server has pointed here (DNS rebinding) gives itself away by its `Host`, one that asks across
 * sites by its `Sec-Fetch-Site`. Elsewhere the token does that, as a page does not have it.
 */
export class OpsGuard {
  readonly #token: Buffer | undefined;
  readonly #names: ReadonlySet<string>;
  readonly #loopback: boolean;

  constructor({ token, names, address }: OpsGuardOptions) {
    this.#token = token === undefined ? undefined : digest(token);
    this.#names = new Set(names);
    this.#loopback = isLoopback(address);
  }

  /** Why a request, that has reached `localAddress`, is refused; undefined where it may ask. */
  refusalOf(
    request: IncomingMessage,
    access: OpsAccess,
    localAddress: string | undefined,
  ): OpsRefusal | undefined {
    return (
      this.#checkHost(request, access, localAddress) ??
      this.#checkSite(request) ??
      (access.open ? undefined : this.#checkToken(request))
    );
  }

  /** Why a change is refused that this client may ask for; undefined where its body may be read. */
  changeRefusalOf({ headers }: IncomingMessage): OpsRefusal | undefined {
    // Browsers send it with every such request, so no page can speak through an operator's one.
    if (headers.origin !== undefined) return forbidden("not for web pages: there is an Origin");
    const { "content-type": type, "content-encoding": encoding } = headers;
    if (type !== undefined && JSON_TYPE.test(type) && encoding === undefined) return undefined;
    const given = `${type ?? "none"}${encoding === undefined ? "" : `, encoded as ${encoding}`}`;
    return {
      status: 415,
      code: "UNSUPPORTED_MEDIA_TYPE",
      message: `the Content-Type must be application/json, in UTF-8 and not encoded; it is ${given}`,
    };
  }

  #checkHost(
    request: IncomingMessage,
    { open, change }: OpsAccess,
    localAddress: string | undefined,
  ): OpsRefusal | undefined {
    const { authority } = targetOf(request);
    const headers = request.headersDistinct["host"] ?? [];
    // Checks of load balancers are HTTP/1.0, and requests of browsers never are.
    if (headers.length === 0 && request.httpVersion === "1.0" && open) return undefined;
    const named = authority === undefined ? headers : [...headers, authority];
    const hosts = named.map(hostnameOf);
    if (headers.length !== 1 || hosts.includes(undefined)) {
      const message = `there must be one Host, a name or an address; there is ${JSON.stringify(named)}`;
      return { status: 400, code: "INVALID_MESSAGE", message };
    }
    if (!this.#loopback && !change) return undefined;
    if (hosts.every((host = "") => this.#isOwn(host, localAddress))) return undefined;
    return {
      status: 421,
      code: "MISDIRECTED_REQUEST",
      message: `the Host ${named.join(", ")} is none of this port's: its address, on loopback localhost, and what --ops-allowed-hosts lists`,
    };
  }

  #isOwn(host: string, localAddress = ""): boolean {
    if (this.#names.has(host)) return true;
    const address = host.replace(/^\[(.*)\]$/, "$1");
    const reached = localAddress.replace(/^::ffff:(?=[0-9.]+$)/i, "");
    if (isLoopback(reached)) return host === "localhost" || isLoopback(address);
    return isIP(address) !== 0 && address === reached;
  }

  #checkSite({ headers }: IncomingMessage): OpsRefusal | undefined {
    const site = headers["sec-fetch-site"];
    if (site === undefined || OWN_SITES.includes(`${site}`.toLowerCase())) return undefined;
    return forbidden(`not for web pages of other sites: Sec-Fetch-Site is ${site}`);
  }

  #checkToken({ headers }: IncomingMessage): OpsRefusal | undefined {
    if (this.#token === undefined) return undefined;
    const { authorization } = headers;
    const given = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
    // Digests are of one length and tell nothing of how much of the token was right.
    if (given !== undefined && timingSafeEqual(digest(given), this.#token)) return undefined;
    const challenge = { "WWW-Authenticate": "Bearer" };
    if (authorization === undefined) {
      const message = "this needs the operations token: Authorization: Bearer TOKEN";
      return { status: 401, code: "AUTH_REQUIRED", message, headers: challenge };
    }
    const message = "the Authorization header does not hold the operations token";
    return { status: 401, code: "AUTH_FAILED", message, headers: challenge };
  }
}
