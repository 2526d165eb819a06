import { CONFIG_GROUPS } from "./config-fields.js";
import { type FieldInfo, fieldInfo } from "./field.js";
import type { ConfigKey } from "./schema.js";

/** A configuration key in all its spellings, with all that is to be said about it. */
export interface KeyInfo extends FieldInfo {
  readonly key: ConfigKey;
  readonly group: string;
  /** Name of its environment variable. */
  readonly variable: string;
}

export const VARIABLE_PREFIX = "MARKETCAST_";

function keyInfos(): KeyInfo[] {
  return Object.entries(CONFIG_GROUPS).flatMap(([group, fields]) =>
    Object.entries(fields).map(([key, schema]) => {
      const info = fieldInfo.get(schema);
      if (info === undefined) throw new Error(`the configuration key ${key} is not described`);
      const variable = VARIABLE_PREFIX + info.flag.replaceAll("-", "_").toUpperCase();
      return { ...info, key: key as ConfigKey, group, variable };
    }),
  );
}

/** Every key, in the order of the groups. */
export const KEY_INFOS: readonly KeyInfo[] = keyInfos();

const byFlag = new Map(KEY_INFOS.map((info) => [info.flag, info]));
const byKey = new Map(KEY_INFOS.map((info) => [info.key, info]));

/** The key of a flag's name in any spelling: kebab-case, snake_case or camelCase. */
export function findKey(name: string): KeyInfo | undefined {
  const kebab = name.replace(/([a-z0-9])([A-Z])/g, "$1-$2").replaceAll("_", "-");
  return byFlag.get(kebab.toLowerCase());
}

export function infoOf(key: ConfigKey): KeyInfo {
  return byKey.get(key) as KeyInfo;
}
