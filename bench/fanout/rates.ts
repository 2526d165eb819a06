import { atMost } from "../support/target-checks.js";
import { offerOf, ratio, type Section, trialsInRounds } from "./section.js";
import { medianOf, type Rounds, steadyTable } from "./tables.js";

/** Latency and CPU by rate, from 10 k to 2 M deliveries/s, each open loop. */
export const measureRates: Section = async ({ servers, parameters, messageBytes }) => {
  const byRate = new Map<number, Rounds>();
  for (const rate of parameters.steadyRates) {
    const rounds = await trialsInRounds(servers, parameters, () => ({
      offer: offerOf(parameters, messageBytes, rate),
      windowSeconds: parameters.steadyWindowSeconds,
    }));
    byRate.set(rate, rounds);
    const title = `${rate * parameters.connections} deliveries/s (medians of ${parameters.rounds})`;
    console.log(`${title}\n${steadyTable(rounds)}\n`);
  }
  const [at50k, at500k] = [byRate.get(100), byRate.get(1000)];
  const p99 = (rounds: Rounds | undefined, server: "marketcast" | "uWebSockets.js") =>
    medianOf(rounds, server, ({ complete, latency }) => (complete ? latency.p99 : undefined));
  const p99Ratio = (rounds: Rounds | undefined) =>
    ratio(p99(rounds, "marketcast"), p99(rounds, "uWebSockets.js"));
  const cpu = (server: "marketcast" | "uWebSockets.js") =>
    medianOf(at50k, server, (result) => result.serverMicrosPerDelivery);
  const own500k = at500k?.get("marketcast") ?? [];
  const whole = own500k.filter(({ complete }) => complete).length;
  return {
    results: Object.fromEntries(
      [...byRate].map(([rate, rounds]) => [rate, Object.fromEntries(rounds)]),
    ),
    targets: [
      atMost(
        "CPU per delivery at 50 k/s, × uWebSockets.js",
        ratio(cpu("marketcast"), cpu("uWebSockets.js")),
        1.05,
      ),
      atMost("p99 from due time at 50 k/s, × uWebSockets.js", p99Ratio(at50k), 1),
      atMost("p99 from due time at 500 k/s, × uWebSockets.js", p99Ratio(at500k), 1),
      {
        what: "500 k deliveries/s without conflation",
        target: "every round",
        measured: `${whole} of ${own500k.length} rounds`,
        reached: whole === own500k.length,
      },
    ],
  };
};
