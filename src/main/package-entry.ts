// What the package `marketcast` exports to a program that runs a server of its own.
export { type ConfigurationDetail, ConfigurationError } from "../config/configuration-error.js";
export type { ServerOptions } from "../config/server-options.js";
export type { RunningServer } from "./running-server.js";
export { startServer } from "./start-server.js";
