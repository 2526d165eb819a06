import type { ExchangeMarket } from "./exchange-market.js";

const FIRST_MARKET_ID = 1001;

const TITLES = [
  // Weather and climate
  "Snow lies in Central Park on Christmas Day 2027",
  "Tokyo's cherry trees bloom before 22 March 2027",
  "The 2027 Atlantic season brings 15 or more named storms",
  "The year 2027 becomes the warmest on record",
  "London has a day above 38 °C in the summer of 2027",
  "The Rhine at Kaub falls below 60 cm in 2027",
  "Arctic sea ice falls below 4 million km² in September 2027",
  "Melbourne has ten days above 35 °C in January 2027",
  "El Niño is declared before July 2027",
  "Lake Geneva is warmer than 26 °C at some time in 2027",

  // Sport
  "The men's 100 m world record falls before 2028",
  "A marathon is run in under two hours in a city race in 2027",
  "The 2027 Tour de France is won by less than a minute",
  "A team from Africa reaches the 2027 Women's World Cup semi-finals",
  "The 2027 Rugby World Cup final goes to extra time",
  "The Wimbledon men's final of 2027 goes to five sets",
  "A host nation plays in the final of the 2027 Cricket World Cup",
  "The 2027 Ryder Cup is won by the visitors",
  "A player ranked below 50 reaches a Grand Slam tennis final in 2027",
  "The 2027 Boat Race is won by Oxford",

  // Economy
  "The Federal Reserve cuts its key rate in March 2027",
  "The European Central Bank raises rates before July 2027",
  "Euro area inflation is below 2% in June 2027",
  "Gold closes 2027 above $5,000 an ounce",
  "Brent crude closes above $90 a barrel before July 2027",
  "Bitcoin trades above $150,000 at some time in 2027",
  "The euro buys more than 1.20 dollars at the end of 2027",
  "US unemployment is above 5% in June 2027",
  "Japan's economy grows by more than 1% in 2027",
  "One in four cars sold worldwide in 2027 is electric",

  // Science and space
  "Astronauts walk on the Moon before 2029",
  "A sample from Mars reaches Earth before 2034",
  "Voyager 1 still sends data on 1 January 2028",
  "A naked-eye comet appears in the northern sky in 2027",
  "A fusion plant delivers power to a grid before 2031",
  "One of the Millennium Prize Problems is solved before 2030",
  "A quantum computer factors a 48-bit number before 2029",
  "Signs of life on another planet are announced before 2030",
  "Room-temperature superconductivity is confirmed before 2030",
  "A volcano in Iceland erupts before July 2027",

  // Culture
  "A film not in English wins Best Picture in 2027",
  "An animated film is 2027's highest-grossing release",
  "The Eurovision Song Contest of 2027 is won by a Nordic country",
  "The Nobel Prize in Literature of 2027 goes to a poet",
  "A painting sells for more than $200 million in 2027",
  "A debut novel wins the Booker Prize in 2027",
  "Vinyl records outsell CDs again in 2027",
  "The word of the year 2027 is about the weather",
  "The Louvre counts more than nine million visitors in 2027",
  "The Sagrada Família is declared complete before 2035",
] as const;

/**
 * The markets of an exchange without a markets file: questions with a yes or a no for an answer,
 * quoted as probabilities.
 */
export const DEFAULT_MARKETS: readonly ExchangeMarket[] = TITLES.map((title, position) => ({
  definition: { marketId: FIRST_MARKET_ID + position, title, tickSize: 0.001, lotSize: 1 },
  status: "Active",
  maxPrice: 1,
}));
