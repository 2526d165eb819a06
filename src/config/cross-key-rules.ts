import type { z } from "zod";
import type { configSchema } from "./schema.js";

type Values = z.output<typeof configSchema>;

/** Says what is wrong with the combination of two keys, or returns undefined. */
type Rule = (config: Values) => string | undefined;

const differentPorts: Rule = (config) =>
  config.port === config.opsPort && config.port !== 0 && config.host === config.opsHost
    ? `port and ops-port: both are ${config.port} on ${config.host}; they must differ`
    : undefined;

const oneKey: Rule = (config) =>
  config.jwtSecret !== undefined && config.jwtPublicKeyFile !== undefined
    ? "jwt-secret and jwt-public-key-file: only one of them may be set"
    : undefined;

const algorithmsFitKey: Rule = ({ jwtAlgorithms, jwtPublicKeyFile }) => {
  if (jwtPublicKeyFile === undefined) {
    const wrong = jwtAlgorithms?.find((algorithm) => algorithm !== "HS256");
    return (
      wrong && `jwt-algorithms: ${wrong} needs jwt-public-key-file, a secret allows HS256 only`
    );
  }
  return jwtAlgorithms?.includes("HS256")
    ? "jwt-algorithms: HS256 needs a secret, jwt-public-key-file allows RS256 and ES256 only"
    : undefined;
};

const replayHasFile: Rule = (config) =>
  config.feed === "replay" && config.feedFile === undefined
    ? "feed-file: must be set when feed is replay"
    : undefined;

const moduleIsNamed: Rule = (config) =>
  config.feed === "module" && config.feedModule === undefined
    ? "feed-module: must be set when feed is module"
    : undefined;

const marketsFitTable: Rule = (config) =>
  config.feed === "synthetic" && config.feedMarkets > config.maxMarkets
    ? `feed-markets: ${config.feedMarkets} is more than max-markets, which is ${config.maxMarkets}`
    : undefined;

/** What must hold between keys; each message names all the keys it is about. */
export const CONFIG_RULES: readonly Rule[] = [
  differentPorts,
  oneKey,
  algorithmsFitKey,
  replayHasFile,
  moduleIsNamed,
  marketsFitTable,
];
