/** A host and a port. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Files and names of TLS, as a relay's URL names them. */
export interface RelayTls {
  /** Files in PEM. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The name that the certificate must have, where it is not the host's. */
  readonly servername: string | undefined;
}

/** Where a relay's Redis is: at an address, or at the one that sentinels name. */
export interface RelayTarget extends Credentials {
  readonly nodes: readonly HostAndPort[];
  /** The name by which the sentinels at `nodes` know the Redis; undefined where `nodes` is the Redis. */
  readonly sentinelName: string | undefined;
  /** Of the sentinels. */
  readonly sentinel: Credentials;
  readonly database: number;
  /** Undefined where connections are not encrypted. */
  readonly tls: RelayTls | undefined;
}

const URL_FORM =
  /^(?<scheme>rediss?|rediss?\+sentinel):\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>[^/@?#]+)(?:\/(?<path>[^?#]*))?(?:\?(?<query>[^#]*))?$/;
const HOST_FORM = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[A-Za-z0-9._-]+))(?::(?<port>[0-9]+))?$/;
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const DATABASE_MAX = 65_535;
const TLS_PARAMETERS = ["ca", "cert", "key", "servername"] as const;
const SENTINEL_PARAMETERS = ["sentinel_user", "sentinel_password"] as const;

/** What is wrong with a relay's URL. It repeats nothing of it, as it may hold a password. */
interface RelayUrlFault {
  readonly fault: string;
}

/**
 * Where a relay's URL leads to: `redis[s]://[user:password@]host[:port][/database]`, or by sentinels
 * `redis[s]+sentinel://[user:password@]host[:port],host[:port]/NAME[/database]`. With `rediss` it may name
 * `ca`, `cert`, `key` (files) and `servername` in its query, with sentinels `sentinel_user` and
 * `sentinel_password`. User, password and query are percent-encoded.
 */
export function parseRelayUrl(text: string): RelayTarget | RelayUrlFault {
  const parts = URL_FORM.exec(text)?.groups;
  if (parts === undefined)
    return {
      fault:
        "must be redis://[user:password@]host[:port][/database], the same with rediss, or redis+sentinel://[user:password@]host[:port],host[:port]/NAME[/database]",
    };
  try {
    return targetOf(parts);
  } catch (error) {
    if (error instanceof UrlFault) return { fault: error.message };
    // Of decodeURIComponent.
    return { fault: "has a % that no two hexadecimal digits follow" };
  }
}

/** Where a URL leads to that has been looked at before; throws where it leads nowhere. */
export function relayTargetOf(text: string): RelayTarget {
  const target = parseRelayUrl(text);
  if ("fault" in target) throw new Error(`relay: the URL ${target.fault}`);
  return target;
}

class UrlFault extends Error {}

function targetOf(parts: Readonly<Record<string, string | undefined>>): RelayTarget {
  const { scheme = "", user, password, hosts = "", path = "", query = "" } = parts;
  const bySentinel = scheme.endsWith("+sentinel");
  const encrypted = scheme.startsWith("rediss");
  const segments = path.split("/").filter((segment) => segment !== "");
  const sentinelName = bySentinel ? decoded(segments.shift()) : undefined;
  if (bySentinel && sentinelName === undefined)
    throw new UrlFault("must name, behind its hosts, what the sentinels watch: /NAME");
  const [database = "0", ...further] = segments;
  if (!/^[0-9]{1,5}$/.test(database) || Number(database) > DATABASE_MAX || further.length > 0)
    throw new UrlFault("has a path that is no database's number");
  const nodes = hosts
    .split(",")
    .map((host) => nodeOf(host, bySentinel ? SENTINEL_PORT : REDIS_PORT));
  if (!bySentinel && nodes.length > 1)
    throw new UrlFault("names several hosts, which only redis+sentinel:// may");
  const asked = parametersOf(query, [
    ...(encrypted ? TLS_PARAMETERS : []),
    ...(bySentinel ? SENTINEL_PARAMETERS : []),
  ]);
  const of = (name: string): string | undefined => asked.get(name);
  return {
    username: user === "" ? undefined : decoded(user),
    password: decoded(password),
    nodes,
    sentinelName,
    sentinel: { username: of("sentinel_user"), password: of("sentinel_password") },
    database: Number(database),
    tls: encrypted
      ? { ca: of("ca"), cert: of("cert"), key: of("key"), servername: of("servername") }
      : undefined,
  };
}

function decoded(text: string | undefined): string | undefined {
  return text === undefined ? undefined : decodeURIComponent(text);
}

function nodeOf(text: string, defaultPort: number): HostAndPort {
  const groups = HOST_FORM.exec(text)?.groups;
  const host = groups?.["v6"] ?? groups?.["host"];
  const port = groups?.["port"] === undefined ? defaultPort : Number(groups["port"]);
  if (host === undefined || port < 1 || port > 65_535)
    throw new UrlFault("has a host that is none, or a port that is not from 1 to 65535");
  return { host, port };
}

function parametersOf(query: string, known: readonly string[]): Map<string, string> {
  const asked = new Map<string, string>();
  for (const pair of query.split("&").filter((one) => one !== "")) {
    const [name = "", value = ""] = pair.split("=", 2);
    if (!known.includes(name)) {
      const which = known.length === 0 ? "none" : `only ${known.join(", ")}`;
      throw new UrlFault(`has a parameter in its query that it does not take; it takes ${which}`);
    }
    asked.set(name, decodeURIComponent(value));
  }
  return asked;
}
