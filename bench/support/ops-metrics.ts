import { request } from "node:http";

/** Reads the operations port's `/metrics`: each metric's sum over its labels, by full name. */
export async function readMetrics(opsPort: number): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>();
  for (const line of (await get(opsPort, "/metrics")).split("\n")) {
    const match = /^(\w+)(?:\{[^}]*\})? (\S+)/.exec(line);
    if (match === null) continue;
    const [, name, value] = match as unknown as [string, string, string];
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  return sums;
}

function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve(body));
    });
    asked.on("error", reject);
    asked.end();
  });
}
