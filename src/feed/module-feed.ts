import { existsSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { FeedOptions } from "../config/thread-options.js";
import type { Feed } from "./feed.js";
import { FeedConfigurationError } from "./feed-configuration-error.js";

type ModuleFeedOptions = Pick<
  FeedOptions,
  "feedModule" | "feedRate" | "feedSeed" | "feedMarkets" | "feedFile"
>;

/**
 * What to import for `--feed-module`: a file's URL for a path (relative to the working directory),
 * otherwise the specifier as it is. Throws {@link FeedConfigurationError}.
 */
export function resolveFeedModule(nameOrPath: string | undefined): string {
  const fail = (rule: string) => new FeedConfigurationError("--feed-module", nameOrPath, rule);
  if (nameOrPath === undefined) throw fail("the module feed needs the path of an ES module");
  if (nameOrPath.startsWith("file:")) return nameOrPath;
  const path = resolve(nameOrPath);
  if (existsSync(path) && statSync(path).isFile()) return pathToFileURL(path).href;
  if (/^\.{1,2}[/\\]/.test(nameOrPath) || isAbsolute(nameOrPath)) throw fail("no such file");
  return nameOrPath;
}

/**
 * Imports the user's module and makes its feed. Throws {@link FeedConfigurationError} where it
 * cannot be imported, exports no `createFeed`, or makes something that is no feed.
 */
export async function createModuleFeed(options: ModuleFeedOptions): Promise<Feed> {
  const { feedModule, feedRate: rate, feedSeed: seed, feedMarkets: markets } = options;
  const fail = (rule: string, cause?: unknown) =>
    new FeedConfigurationError("--feed-module", feedModule, rule, { cause });
  const url = resolveFeedModule(feedModule);
  const module: Readonly<Record<string, unknown>> = await import(url).catch((error: unknown) => {
    throw fail(`must be a module that can be imported: ${messageOf(error)}`, error);
  });
  const { createFeed } = module;
  if (typeof createFeed !== "function") throw fail("must export a function createFeed");
  const file = options.feedFile === undefined ? {} : { file: options.feedFile };
  let feed: unknown;
  try {
    feed = await createFeed({ rate, seed, markets, ...file });
  } catch (error) {
    throw fail(`its createFeed threw: ${messageOf(error)}`, error);
  }
  if (!isFeed(feed)) {
    throw fail("its createFeed must return an object with a function run, and at most one open");
  }
  return feed;
}

function isFeed(value: unknown): value is Feed {
  if (typeof value !== "object" || value === null) return false;
  const { open, run } = value as Partial<Record<keyof Feed, unknown>>;
  return typeof run === "function" && (open === undefined || typeof open === "function");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
