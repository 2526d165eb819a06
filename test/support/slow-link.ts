import { Link } from "./link.js";

const STEP_MS = 10;

/**
 * A link to a server that carries so many bytes a second from it, steadily, and holds back no more than a
 * few steps' worth itself; what a client sends goes at once.
 */
export function startSlowLink(targetPort: number, bytesPerSecond: number): Promise<Link> {
  return Link.start(
    () => targetPort,
    (client, upstream) => {
      client.pipe(upstream);
      let allowance = 0;
      let last = performance.now();
      const timer = setInterval(() => {
        const now = performance.now();
        const most = (bytesPerSecond * 5 * STEP_MS) / 1000;
        allowance = Math.min(most, allowance + ((now - last) / 1000) * bytesPerSecond);
        last = now;
        const bytes = Math.min(Math.floor(allowance), upstream.readableLength);
        if (bytes === 0) return;
        const chunk = upstream.read(bytes) as Buffer | null;
        if (chunk === null) return;
        allowance -= chunk.length;
        client.write(chunk);
      }, STEP_MS);
      upstream.on("readable", () => {});
      upstream.once("close", () => clearInterval(timer));
    },
  );
}
