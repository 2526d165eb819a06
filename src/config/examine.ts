import { existsSync } from "node:fs";
import { type ConfigurationDetail, ConfigurationError, problem } from "./configuration-error.js";
import { type FileRole, fileDangers } from "./file-safety.js";
import { jwtSecretFile } from "./jwt-secret.js";
import { infoOf } from "./keys.js";
import type { LoadedConfig } from "./load.js";
import { readOpsToken } from "./ops-token.js";
import type { Remark } from "./remark.js";
import type { ConfigKey } from "./schema.js";
import { secretWeakness } from "./secret-strength.js";

/** What a configuration refers to, looked at before the server starts on it. */
export interface Examined {
  /** The token of the operations port; undefined where it asks for none. */
  readonly opsToken: string | undefined;
  /** Those of the loaded configuration, and what is not safe about its files. */
  readonly remarks: readonly Remark[];
}

interface File {
  readonly key: ConfigKey;
  readonly path: string;
  readonly role: FileRole;
}

/** Whether a secret stands in the configuration file. */
function holdsSecret({ config, sources }: LoadedConfig): boolean {
  const fromFile = `file ${config.config}`;
  return (["jwtSecret", "opsToken", "relay"] as const).some((key) => sources.get(key) === fromFile);
}

/** Every file and directory whose content decides what the server does, and for whom. */
function filesOf(loaded: LoadedConfig): File[] {
  const { config } = loaded;
  const { jwtPublicKeyFile, opsTokenFile, marketsFile, feedModule, dataDir } = config;
  const files: File[] = [];
  const add = (key: ConfigKey, path: string | undefined, role: FileRole): void => {
    if (path !== undefined) files.push({ key, path, role });
  };
  add("config", config.config, holdsSecret(loaded) ? "secret" : "trusted");
  add("jwtPublicKeyFile", jwtPublicKeyFile, "trusted");
  add("opsTokenFile", opsTokenFile, "secret");
  if (config.feed === "exchange") add("marketsFile", marketsFile, "trusted");
  // The name of a package is no path, and nothing is found at it.
  if (config.feed === "module") add("feedModule", feedModule, "trusted");
  const makesSecret = config.jwtSecret === undefined && jwtPublicKeyFile === undefined;
  if (config.feed === "exchange" || makesSecret) {
    add("dataDir", dataDir, "directory");
    const secret = jwtSecretFile(dataDir);
    if (existsSync(secret)) add("dataDir", secret, "secret");
  }
  return files;
}

async function dangersOf(loaded: LoadedConfig): Promise<ConfigurationDetail[]> {
  const found = await Promise.all(
    filesOf(loaded).map(async ({ key, path, role }) =>
      (await fileDangers(path, role)).map((danger) => problem(infoOf(key).flag, danger)),
    ),
  );
  return found.flat();
}

/**
 * Looks at the files that a configuration names: who may read and change them, and whether the
 * token of the operations port can be used. Throws ConfigurationError for what cannot be used, and
 * in production for what is not safe; elsewhere the latter is a remark. Changes nothing.
 */
export async function examineConfig(loaded: LoadedConfig): Promise<Examined> {
  const { config, production } = loaded;
  const dangers = await dangersOf(loaded);
  const opsToken = await readOpsToken(config);
  if (config.opsTokenFile !== undefined && opsToken !== undefined) {
    const weakness = secretWeakness(opsToken);
    if (weakness !== undefined) {
      dangers.push(
        problem("ops-token-file", `the secret (file ${config.opsTokenFile}) ${weakness}`),
      );
    }
  }
  if (production && dangers.length > 0) throw new ConfigurationError(dangers);
  const warnings = dangers.map(({ line }): Remark => ({ level: "warn", message: line }));
  return { opsToken, remarks: [...loaded.remarks, ...warnings] };
}
