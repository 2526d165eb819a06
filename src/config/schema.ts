import { z } from "zod";
import { CONFIG_FIELDS, type ConfigValues } from "./config-fields.js";

/** What each value of a configuration must be by itself. */
export const configSchema = z.strictObject(CONFIG_FIELDS);

/** The effective configuration. Durations are in ms, sizes in bytes. */
export type Config = Readonly<Required<ConfigValues>>;
export type ConfigKey = keyof Config;
