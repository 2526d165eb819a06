// The built server in a process of its own, as `marketcast serve` runs it, that also takes commands
// to end single threads: { restartShard: number } and { restartProducer: true }.
import { parseArgs } from "node:util";
import { loadConfigWithSources } from "../../dist/config/load.js";
import { startServer } from "../../dist/main/server.js";

const { values } = parseArgs({ strict: false, allowPositionals: false });
const { config } = loadConfigWithSources({ flags: values, env: process.env });
const server = await startServer(config);
process.on("message", (command) => {
  if (command.restartShard !== undefined) server.restartShard(command.restartShard);
  if (command.restartProducer) server.restartProducer();
});
process.once("SIGTERM", () => void server.stop());
process.exit(await server.closed);
