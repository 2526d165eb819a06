import { z } from "zod";
import { CONFIG_FIELDS, type ConfigValues } from "./config-fields.js";
import { CONFIG_RULES } from "./cross-key-rules.js";

/** What a configuration must be: each value good by itself, and all of them together. */
export const configSchema = z.strictObject(CONFIG_FIELDS).superRefine((config, context) => {
  for (const rule of CONFIG_RULES) {
    const message = rule(config);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  }
});

/** The effective configuration. Durations are in ms, sizes in bytes. */
export type Config = Readonly<Required<ConfigValues>>;
export type ConfigKey = keyof Config;
