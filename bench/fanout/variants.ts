import { ENCODINGS } from "../../src/contract/encodings.js";
import { progress } from "../support/progress.js";
import type { Offer, ServerName } from "../support/server-under-test.js";
import { atLeast } from "../support/target-checks.js";
import { runTrial, type TrialResult } from "../support/trial.js";
import { offerOf, ratio, type Section, type SectionContext, trialOf } from "./section.js";
import { medianFigure, variantsTable } from "./tables.js";

/** With 500 connections, 500 k deliveries a second. */
const RATE = 1000;
const DISJOINT_RATE = 5000;
const DISJOINT_MARKETS_EACH = 10;
const SLOW_SHARE = 0.1;

/** One server with one offer, beside others in the same table. */
interface Variant {
  readonly name: string;
  readonly server: ServerName;
  readonly offer: Offer;
  readonly slow?: number;
}

/** Measures variants in alternating rounds, and prints a table of their medians. */
async function compare(
  { parameters }: SectionContext,
  title: string,
  variants: readonly Variant[],
): Promise<Map<string, TrialResult[]>> {
  const { connections, rounds, steadyWindowSeconds } = parameters;
  const results = new Map<string, TrialResult[]>(variants.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const { name, server, offer, slow = 0 } of variants) {
      progress(`${title}: ${name}, round ${round} of ${rounds}`);
      const result = await runTrial({
        ...trialOf(parameters, server, { offer, windowSeconds: steadyWindowSeconds }),
        connections: connections - slow,
        ...(slow > 0 && { slow }),
      });
      results.get(name)?.push(result);
    }
  }
  console.log(`${title} (medians of ${rounds})\n${variantsTable(results)}\n`);
  return results;
}

/** The encodings beside each other, audiences of three sizes, and one, two and four shards. */
export const measureVariants: Section = async (context) => {
  const { parameters, messageBytes } = context;
  const own = (name: string, more: Partial<Offer> = {}): Variant => ({
    name,
    server: "marketcast",
    offer: { ...offerOf(parameters, messageBytes, RATE), ...more },
  });
  const at = `${RATE * parameters.connections} deliveries/s`;
  const sections = {
    encodings: ENCODINGS.map((encoding) => own(encoding, { encoding })),
    audiences: [1, 50, 500].map((audience) => own(`audiences of ${audience}`, { audience })),
    shards: [1, 2, 4].map((shards) =>
      own(shards === 1 ? "1 shard" : `${shards} shards`, { shards }),
    ),
  };
  const results: Record<string, unknown> = {};
  for (const [name, variants] of Object.entries(sections))
    results[name] = Object.fromEntries(await compare(context, `${name}, ${at}`, variants));
  return { results, targets: [] };
};

/** Subscriptions that hardly overlap, which share no buffer; uWebSockets.js has a topic a market. */
export const measureDisjoint: Section = async (context) => {
  const { servers, parameters, messageBytes } = context;
  const offer = {
    ...offerOf(parameters, messageBytes, DISJOINT_RATE),
    marketsEach: DISJOINT_MARKETS_EACH,
  };
  const variants = servers
    .filter((server) => server !== "ws")
    .map((server) => ({ name: server, server, offer }));
  const title = `${DISJOINT_MARKETS_EACH} of ${offer.markets} markets each, ${DISJOINT_RATE} updates/s`;
  const results = await compare(context, title, variants);
  const cost = (server: ServerName) =>
    medianFigure(results.get(server), (result) => result.serverMicrosPerDelivery);
  return {
    results: Object.fromEntries(results),
    targets: [
      atLeast(
        "disjoint subscriptions, deliveries per CPU second, × uWebSockets.js",
        ratio(cost("uWebSockets.js"), cost("marketcast")),
        1,
      ),
    ],
  };
};

/** A tenth of the connections reads slowly; the figures are those of the others. */
export const measureSlowReaders: Section = async (context) => {
  const { servers, parameters, messageBytes } = context;
  const offer = offerOf(parameters, messageBytes, RATE);
  const slow = Math.round(parameters.connections * SLOW_SHARE);
  const variants = servers
    .filter((server) => server !== "ws")
    .flatMap((server): Variant[] => [
      { name: `${server}, all read`, server, offer },
      { name: `${server}, ${slow} slowly`, server, offer, slow },
    ]);
  const results = await compare(context, `slow readers, ${RATE} updates/s`, variants);
  return { results: Object.fromEntries(results), targets: [] };
};
