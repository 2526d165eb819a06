import { isIP } from "node:net";
import { isLoopback } from "../shared/loopback.js";
import { parseRelayUrl } from "../shared/relay-url.js";
import type { ConfigValues } from "./config-fields.js";
import { type ConfigurationDetail, problem } from "./configuration-error.js";

/** Says what is wrong with the combination of two keys, or returns undefined. */
type Rule = (config: ConfigValues) => ConfigurationDetail | undefined;

/** A problem of two keys, told under the names of both. */
function together(key: string, names: string, rule: string): ConfigurationDetail {
  return problem(key, rule, { line: `${names}: ${rule}` });
}

const differentPorts: Rule = (config) =>
  config.port === config.opsPort && config.port !== 0 && config.host === config.opsHost
    ? together(
        "ops-port",
        "port and ops-port",
        `both are ${config.port} on ${config.host}; they must differ`,
      )
    : undefined;

const oneKey: Rule = (config) =>
  config.jwtSecret !== undefined && config.jwtPublicKeyFile !== undefined
    ? together("jwt-secret", "jwt-secret and jwt-public-key-file", "only one of them may be set")
    : undefined;

const algorithmsFitKey: Rule = ({ jwtAlgorithms, jwtPublicKeyFile }) => {
  if (jwtPublicKeyFile === undefined) {
    const wrong = jwtAlgorithms?.find((algorithm) => algorithm !== "HS256");
    return (
      wrong &&
      problem("jwt-algorithms", `${wrong} needs jwt-public-key-file, a secret allows HS256 only`)
    );
  }
  return jwtAlgorithms?.includes("HS256")
    ? problem(
        "jwt-algorithms",
        "HS256 needs a secret, jwt-public-key-file allows RS256 and ES256 only",
      )
    : undefined;
};

const oneOpsToken: Rule = (config) =>
  config.opsToken !== undefined && config.opsTokenFile !== undefined
    ? together("ops-token", "ops-token and ops-token-file", "only one of them may be set")
    : undefined;

/** A name is looked up, and looked at, when the server listens. */
const opsIsGuarded: Rule = ({ opsHost, opsToken, opsTokenFile }) =>
  opsToken === undefined && opsTokenFile === undefined && isIP(opsHost) && !isLoopback(opsHost)
    ? unguardedOps(opsHost, opsHost)
    : undefined;

/** Why the operations port does not open on an address that others can reach. */
export function unguardedOps(host: string, address: string): ConfigurationDetail {
  const which = host === address ? `is ${host}` : `is ${host}, that is ${address}`;
  return problem(
    "ops-host",
    `it ${which}, which is not on loopback; set ops-token or ops-token-file to open the operations port there`,
  );
}

const replayHasFile: Rule = (config) =>
  config.feed === "replay" && config.feedFile === undefined
    ? problem("feed-file", "must be set when feed is replay")
    : undefined;

const moduleIsNamed: Rule = (config) =>
  config.feed === "module" && config.feedModule === undefined
    ? problem("feed-module", "must be set when feed is module")
    : undefined;

const marketsFitTable: Rule = (config) =>
  config.feed === "synthetic" && config.feedMarkets > config.maxMarkets
    ? problem(
        "feed-markets",
        `${config.feedMarkets} is more than max-markets, which is ${config.maxMarkets}`,
      )
    : undefined;

const RELAY_PREFIX = /^[A-Za-z0-9_.:{}-]{1,64}$/;

const relayLeadsSomewhere: Rule = ({ relay }) => {
  const target = relay === undefined ? undefined : parseRelayUrl(relay);
  return target !== undefined && "fault" in target
    ? problem("relay", `the URL ${target.fault}`)
    : undefined;
};

const relayIsNamed: Rule = (config) =>
  config.feed === "relay" && config.relay === undefined
    ? problem("relay", "must be set when feed is relay")
    : undefined;

const relayPrefixIsPlain: Rule = ({ relayPrefix }) =>
  RELAY_PREFIX.test(relayPrefix)
    ? undefined
    : problem("relay-prefix", `${relayPrefix} is not 1 to 64 of A-Z a-z 0-9 _ . : { } -`);

/** What the last origin has relayed is to be there still when the next one takes over. */
const leaseFitsWindow: Rule = ({ relayLeaseMs, relayWindowMs }) =>
  relayLeaseMs > relayWindowMs
    ? problem(
        "relay-lease",
        `${relayLeaseMs} ms is longer than relay-window, which is ${relayWindowMs} ms`,
      )
    : undefined;

/** What must hold between keys; each line names all the keys it is about. */
export const CONFIG_RULES: readonly Rule[] = [
  differentPorts,
  oneKey,
  algorithmsFitKey,
  oneOpsToken,
  opsIsGuarded,
  replayHasFile,
  moduleIsNamed,
  marketsFitTable,
  relayLeadsSomewhere,
  relayIsNamed,
  relayPrefixIsPlain,
  leaseFitsWindow,
];
