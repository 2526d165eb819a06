import type { Random } from "../shared/random.js";

/** A made-up market: what it is called and between which prices, in ticks, it moves. */
export interface Instrument {
  readonly title: string;
  readonly tickSize: number;
  readonly lotSize: number;
  readonly priceMin: number;
  readonly priceMax: number;
}

/** Event markets are quoted in probabilities, with room for 20 levels on either side. */
const PROBABILITY = { tickSize: 0.001, lotSize: 1, priceMin: 50, priceMax: 950 };

const FIRST_YEAR = 2027;

const list = (...lines: string[]): string[] => lines.join(", ").split(", ");

const MONTHS = list(
  "January, February, March, April, May, June",
  "July, August, September, October, November, December",
);

/** Name, reference price, tick size. */
const FUTURES: readonly (readonly [string, number, number])[] = [
  ["Brent Crude", 78, 0.01],
  ["Gold", 2650, 0.1],
  ["Copper", 4.3, 0.0005],
  ["Wheat", 585, 0.25],
  ["Natural Gas", 3.1, 0.001],
  ["Arabica Coffee", 245, 0.05],
  ["Silver", 31, 0.005],
  ["Corn", 430, 0.25],
  ["Cocoa", 7900, 1],
  ["Cotton", 72, 0.01],
  ["Platinum", 985, 0.1],
  ["Soybean", 1020, 0.25],
];

const CENTRAL_BANKS = list(
  "Bank of England, Bank of Japan, Bank of Canada, European Central Bank",
  "Federal Reserve, Norges Bank, Reserve Bank of Australia, Reserve Bank of India",
  "Riksbank, Swiss National Bank, Bank of Korea, Banco de México",
);

const CITIES = list(
  "Lisbon, Oslo, Nairobi, Osaka, Toronto, Lima",
  "Athens, Mumbai, Dublin, Santiago, Hanoi, Melbourne",
);

const ECONOMIES = list(
  "Brazil, Germany, India, Japan, Mexico, Nigeria",
  "Poland, South Korea, Spain, Sweden, Turkey, Vietnam",
);

const COINS = list(
  "Bitcoin above $150k, Bitcoin above $100k, Bitcoin below $80k",
  "Ether above $5k, Ether above $4k, Ether below $2.5k",
  "Solana above $250, Solana below $100, Monero above $300",
  "Litecoin above $120, Cardano above $1, Dogecoin above $0.50",
);

const TEAMS = list(
  "Northgate United, Harbour City, Riverside Athletic, Kingsbridge Rovers",
  "Eastfield Wanderers, Millbrook Town, Ashford Rangers, Stonehaven Albion",
  "Westmoor County, Lakeside Olympic, Hillcrest Victoria, Ferryport Dynamo",
);

/** Title templates of the event markets; every list of subjects has the length of `FUTURES`. */
const EVENTS: readonly (readonly [readonly string[], (subject: string, when: string) => string])[] =
  [
    [CENTRAL_BANKS, (bank, when) => `${bank} cuts its key rate in ${when}`],
    [COINS, (level, when) => `${level} at the end of ${when}`],
    [TEAMS, (team, when) => `${team} lead the league at the end of ${when}`],
    [CITIES, (city, when) => `${city} breaks its heat record in ${when}`],
    [ECONOMIES, (country, when) => `Inflation in ${country} rises in ${when}`],
  ];

/**
 * The instrument at a 0-based position. Titles are distinct for all positions (a position is split
 * into template, subject, month and year) and do not depend on `random`; price ranges do.
 */
export function makeInstrument(position: number, random: Random): Instrument {
  const families = EVENTS.length + 1;
  const family = position % families;
  const rank = Math.floor(position / families);
  const subject = rank % FUTURES.length;
  const period = Math.floor(rank / FUTURES.length);
  const month = MONTHS[(period + 5 * subject) % MONTHS.length] as string;
  const when = `${month} ${FIRST_YEAR + Math.floor(period / MONTHS.length)}`;

  const event = EVENTS[family - 1];
  if (event !== undefined) {
    const [subjects, title] = event;
    return { title: title(subjects[subject] as string, when), ...PROBABILITY };
  }
  const [name, price, tickSize] = FUTURES[subject] as (typeof FUTURES)[number];
  const reference = Math.round((price / tickSize) * (0.9 + random.below(200) / 1000));
  return {
    title: `${name} futures, ${when}`,
    tickSize,
    lotSize: 1,
    priceMin: Math.round(reference * 0.7),
    priceMax: Math.round(reference * 1.3),
  };
}
