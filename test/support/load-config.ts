import type { ConfigInput } from "../../src/config/given-values.js";
import { loadConfigWithSources } from "../../src/config/load.js";
import type { Config } from "../../src/config/schema.js";

/** The configuration alone, for tests that do not ask where its values came from. */
export function loadConfig(input: ConfigInput): Config {
  return loadConfigWithSources(input).config;
}
