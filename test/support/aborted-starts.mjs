// Starts servers in this process and aborts their signal at different moments; prints what came of it.
import { Worker } from "node:worker_threads";
import { loadConfigWithSources } from "../../dist/config/load.js";
import { startServer } from "../../dist/main/start-server.js";

// Node aborts the whole process, now and then, where a thread is terminated that has not loaded yet.
const spoken = new WeakSet();
let terminatedEarly = 0;
const { emit, terminate } = Worker.prototype;
Worker.prototype.emit = function (name, ...rest) {
  if (name === "message") spoken.add(this);
  return emit.call(this, name, ...rest);
};
Worker.prototype.terminate = function () {
  if (!spoken.has(this)) terminatedEarly++;
  return terminate.call(this);
};

const flags = { port: "0", "ops-port": "0", feed: "synthetic", "log-level": "fatal" };
const secret = { "jwt-secret": "a secret for tests, of more than 32 bytes" };
const { config } = loadConfigWithSources({ flags: { ...flags, ...secret }, env: {} });
const reason = new Error("the reason");
const handles = () => process.getActiveResourcesInfo().filter((name) => /Server|Worker/.test(name));

async function outcome(starting) {
  try {
    const server = await starting;
    return { code: await server.closed };
  } catch (error) {
    return { rejected: error === reason ? "the reason" : String(error) };
  }
}

const before = AbortSignal.abort(reason);
const results = [{ when: "before", ...(await outcome(startServer(config, { signal: before }))) }];
for (const delayMs of [0, 20, 100, 250]) {
  const abort = new AbortController();
  setTimeout(() => abort.abort(reason), delayMs);
  results.push({
    when: "during",
    ...(await outcome(startServer(config, { signal: abort.signal }))),
  });
}

const abort = new AbortController();
const server = await startServer(config, { signal: abort.signal });
abort.abort(reason);
const [one, other] = [server.stop(), server.stop()];
const same = one === other;
results.push({ when: "after", ...(await outcome(server)), same });
process.stdout.write(JSON.stringify({ results, handles: handles(), terminatedEarly }));
