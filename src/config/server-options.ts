import type { Config, ConfigKey } from "./schema.js";

/** `market-interval` of `marketInterval`. */
type Kebab<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? First extends Lowercase<First>
    ? `${First}${Kebab<Rest>}`
    : `-${Lowercase<First>}${Kebab<Rest>}`
  : Name;

/** A flag's name in camelCase: the unit is part of names in code only. */
type OptionName<Key extends string> = Key extends `${infer Name}Ms` ? Name : Key;

type Value<Key extends ConfigKey> = NonNullable<Config[Key]>;

/**
 * The options of a server that a program starts: the keys of the configuration file, in camelCase or
 * spelled as the flags are (`drainTime` or `"drain-time"`), all of them optional. Durations are in
 * ms, sizes in bytes. README.md has the table.
 */
export type ServerOptions = {
  readonly [Key in ConfigKey as OptionName<Key>]?: Value<Key> | undefined;
} & {
  readonly [Key in ConfigKey as Kebab<OptionName<Key>>]?: Value<Key> | undefined;
};
