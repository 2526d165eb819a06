import { type Command, InvalidArgumentError, Option } from "commander";
import jwt from "jsonwebtoken";
import { type JwtKeys, resolveJwtKeys } from "../config/jwt-keys.js";
import { CHANNEL_NAME_RULE, isChannelName } from "../contract/publication.js";
import { userIdSchema, walletSchema } from "../shared/text-schema.js";
import { loadCommandConfig } from "./config-flags.js";
import { print } from "./output.js";
import { parseTtl } from "./token-ttl.js";
import { UsageError } from "./usage-error.js";

interface TokenOptions {
  readonly sub: string;
  readonly wallet?: string;
  readonly role?: string;
  readonly channels?: readonly string[];
  readonly publish?: readonly string[];
  readonly ttl: string;
}

function signToken(keys: JwtKeys, options: TokenOptions, ttlSeconds: number): string {
  if (!("secret" in keys.key)) {
    throw new UsageError(
      "jwt-public-key-file: a public key cannot sign; sign tokens where the private key is",
    );
  }
  const claims = {
    sub: options.sub,
    ...(options.wallet !== undefined && { wallet: options.wallet }),
    ...(options.role !== undefined && { role: options.role }),
    ...(options.channels !== undefined && { channels: options.channels }),
    ...(options.publish !== undefined && { publish: options.publish }),
    ...(keys.issuer !== undefined && { iss: keys.issuer }),
    ...(keys.audience !== undefined && { aud: keys.audience }),
  };
  return jwt.sign(claims, keys.key.secret, {
    algorithm: keys.algorithms[0] ?? "HS256",
    expiresIn: ttlSeconds,
  });
}

/** Names of channels, and patterns with a final `*`. */
function collectGrants(text: string, before: readonly string[] | undefined): readonly string[] {
  if (text === "*" || isChannelName(text.replace(/\*$/, ""))) return [...(before ?? []), text];
  throw new InvalidArgumentError(`It is neither * nor a name, which ${CHANNEL_NAME_RULE}.`);
}

async function printToken(options: TokenOptions, program: Command): Promise<void> {
  for (const [name, schema] of [
    ["sub", userIdSchema],
    ["wallet", walletSchema],
  ] as const) {
    if (options[name] === undefined) continue;
    if (options[name] === "") throw new UsageError(`${name}: must not be empty (flag --${name})`);
    const fault = schema.safeParse(options[name]).error?.issues[0]?.message;
    if (fault !== undefined) throw new UsageError(`${name}: ${fault} (flag --${name})`);
  }
  const ttlSeconds = parseTtl(options.ttl);
  const { config } = loadCommandConfig(program);
  await print(`${signToken(await resolveJwtKeys(config), options, ttlSeconds)}\n`);
}

/** `marketcast token`: prints a JWT signed with the server's secret, and nothing else. */
export function addTokenCommand(program: Command): void {
  program
    .command("token")
    .description("print a token signed with the secret that is configured or in the data directory")
    .requiredOption("--sub <USER>", "user id")
    .option("--wallet <WALLET>", "trading account; without one there are no orders")
    .addOption(new Option("--role <ROLE>", "admin sees every wallet").choices(["admin"]))
    .option(
      "--channels <NAME...>",
      "Private channels that may be subscribed to; a name may end in *, for all that begin so",
      collectGrants,
    )
    .option("--publish <NAME...>", "those that may be published to", collectGrants)
    .option("--ttl <TIME>", "time to live, such as 90s, 15m, 1h or 7d", "1h")
    .action((options: TokenOptions) => printToken(options, program));
}
