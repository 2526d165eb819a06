import type { Command } from "commander";
import { addOrderFlags, type OrderFlags, withClient } from "./order-client.js";
import { print } from "./output.js";
import { UsageError } from "./usage-error.js";

/** The value that a text is the JSON of. Throws UsageError. */
function parseData(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(
      `data: is no JSON, such as '{"a":1}' or '"a text"': ${message}`.toWellFormed(),
    );
  }
}

/** `marketcast publish`: publishes to a private channel, and prints the place that it was given. */
export function addPublishCommand(program: Command): void {
  addOrderFlags(
    program
      .command("publish")
      .description("publish to a private channel, and print the answer as a line of JSON")
      .argument("<channel>", "the channel's name")
      .argument("<data>", "what is published, as JSON"),
  ).action(async (channel: string, text: string, flags: OrderFlags) => {
    const data = parseData(text);
    await withClient(flags, program, async (client) => {
      await print(`${JSON.stringify(await client.channel(channel).publish(data))}\n`);
    });
  });
}
