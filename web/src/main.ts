import {
  type ConnectionState,
  type MarketcastClient,
  type MarketId,
  type Order,
  RequestTimeoutError,
  type ServerData,
  ServerError,
  type Staleness,
} from "marketcast/client";
import { CandleFeed } from "./candle-feed.js";
import { byId, show } from "./dom.js";
import { fixed } from "./format.js";
import { FrameLoop } from "./frame-loop.js";
import { Account } from "./model/account.js";
import { Health } from "./model/health.js";
import { type MarketState, MarketStore } from "./model/market-store.js";
import { refusalOf, refusedTitle } from "./model/refusal.js";
import { encodingOf, PageConnection } from "./page-connection.js";
import { placeOrder } from "./placement.js";
import { AmendDialog } from "./views/amend-dialog.js";
import { Blotter } from "./views/blotter.js";
import { ConnectionBadge } from "./views/connection-badge.js";
import { MarketHeader } from "./views/market-header.js";
import { MarketList } from "./views/market-list.js";
import { OrderBookView } from "./views/order-book.js";
import { OrderTicket, type Trading } from "./views/order-ticket.js";
import { PriceChart } from "./views/price-chart.js";
import { Sections } from "./views/sections.js";
import { SignIn } from "./views/sign-in.js";
import { showSystem } from "./views/system-line.js";
import { ThemeSwitch } from "./views/theme.js";
import { Timeframes } from "./views/timeframes.js";
import { toast } from "./views/toasts.js";
import { TradeTape } from "./views/trade-tape.js";
import { WalletHistory } from "./wallet-history.js";

/*
 * Joins the parts. Data go one way: messages into store and account, which tell the views, which draw
 * in the next frame. What the user does goes to the connection.
 */

const loop = new FrameLoop();
const store = new MarketStore();
const sections = new Sections();
const header = new MarketHeader(store, loop);
const chart = new PriceChart(loop);
new ThemeSwitch(() => chart.applyTheme());
const timeframes = new Timeframes(() => {
  if (selected !== undefined) showCandles(selected);
});
const client = (): MarketcastClient => connection.client;
const tape = new TradeTape(client, loop);
const candles = new CandleFeed(client, {
  follow: (marketId, wanted) => connection.followCandles(marketId, wanted),
  changed: (fill) => {
    chart.changed(fill);
    header.changed(fill);
  },
});
const book = new OrderBookView(loop, (price) => ticket.setPrice(price));
const list = new MarketList(store, loop, {
  selected: (market, pointed) => {
    select(market, true);
    if (pointed) sections.leaveMarkets();
  },
  inView: (ids) => connection.followPrices(ids),
});
const account = new Account({
  changed: () => blotter.changed(),
  filled: (order, quantity, price) => {
    const market = store.get(order.market_id);
    const text = `${fixed(quantity, market?.quantityDecimals ?? 0)} at ${fixed(price, market?.priceDecimals ?? 2)}`;
    const title = order.side === "Buy" ? "Bought" : "Sold";
    toast("good", `${title} ${text}`, market?.title ?? "");
  },
});
const finished = new WalletHistory(
  () => client().history.orders({ status: ["Filled", "Cancelled"] }),
  { loaded: (orders) => account.putFinished(orders), changed: () => blotter.changed() },
);
const fills = new WalletHistory(() => client().history.fills(), {
  loaded: (items) => account.putFills(items),
  changed: () => blotter.changed(),
});
const amending = new AmendDialog(async ({ order_id }, to) => {
  const { order } = await client().amendOrder({ order_id, ...to });
  account.putOrder(order);
  if (order.status === "Open") toast("info", "Order amended", store.get(order.market_id)?.title);
});
const histories = () => ({ orders: finished.standing, fills: fills.standing });
const blotter: Blotter = new Blotter(account, store, loop, histories, {
  cancel: async ({ order_id }) => {
    try {
      const { order } = await client().cancelOrder({ order_id });
      account.putOrder(order);
    } catch (error) {
      tellNotCancelled(error as Error);
    }
  },
  cancelAll: async () => {
    try {
      const { count } = await client().cancelOrders();
      toast("info", count === 1 ? "1 order cancelled" : `${count} orders cancelled`);
    } catch (error) {
      tellNotAllCancelled(error as Error);
    }
  },
  amend: (order) => {
    const market = store.get(order.market_id);
    if (market !== undefined) amending.open(order, market);
  },
  moreOrders: () => finished.more(),
  moreFills: () => fills.more(),
});
const ticket = new OrderTicket(store, loop, {
  place: async (request, placing) => {
    const order: Order = await placeOrder(connection, request, placing);
    account.putOrder(order);
    return order;
  },
  validate: async (request) => (await client().validateOrder(request)).order,
  book: (marketId) => client().books.get(marketId),
  signIn: () => signIn.open(),
});
const signIn: SignIn = new SignIn((token) => connection.signIn(token));
const health = new Health();
const badge = new ConnectionBadge(client, () => connection.restart());
const accountButton = byId("account");
let selected: MarketState | undefined;
let identity: ServerData["Authenticated"] | undefined;
let tradingDisabled = false;

const connection: PageConnection = new PageConnection({
  state: (state) => {
    health.setConnection(state);
    if (state.status !== "open") showSystem(undefined);
    showStanding(state);
  },
  identity: (next) => {
    // The same wallet on another connection gets snapshots; what has finished is still of interest.
    if (next?.wallet !== identity?.wallet) {
      account.clear();
      finished.end();
      fills.end();
      amending.close();
      // Under another wallet its id is another order's.
      ticket.abandon();
    }
    identity = next;
    showIdentity();
  },
  tokenLost: (why) => toast("warning", why, "Sign in with a fresh one."),
  refused: (channel, error) => {
    if (error instanceof ServerError && error.code === "TRADING_DISABLED") {
      tradingDisabled = true;
      showIdentity();
    } else if (channel.type !== "Presence") {
      toast("error", `No ${channel.type} from the server`, error.message);
    }
  },
  client: (client) => {
    let isListed = false;
    client.on("state", ({ status }) => {
      if (status === "open") fillUp();
    });
    client.on("MarketSnapshot", ({ markets, more = false }) => {
      for (const market of markets) store.put(market);
      if (more || isListed) return;
      // Before all else a client asks for the full list; from then on its mirror knows what is gone.
      isListed = true;
      store.retain(client.markets);
    });
    client.markets.onChange(({ marketId, value }) => {
      if (value === undefined && client === connection.client) store.delete(marketId);
    });
    client.on("MarketUpdate", ({ market }) => store.put(market));
    client.on("PriceUpdate", (update) => store.putPrice(update));
    client.on("OrderBook", (update) => book.put(update));
    client.on("CandleSnapshot", (snapshot) => candles.snapshot(snapshot));
    client.on("CandleUpdate", (update) => candles.update(update));
    client.on("epoch", fillUp);
    client.on("gap", ({ stream, kind }) => {
      if (stream === "trade" && kind === "lost") fillUp();
    });
    client.on("TradeExecution", ({ trade }) => tape.put(trade));
    client.on("OrderSnapshot", ({ orders }) => {
      account.putOrders(orders);
      // What has ended unseen is in the histories.
      finished.begin();
      fills.begin();
      tradingDisabled = false;
      showIdentity();
    });
    client.on("OrderUpdate", ({ order }) => account.putOrder(order));
    client.on("Fill", ({ fill }) => account.putFills([fill]));
    client.on("PositionSnapshot", ({ positions }) => account.putPositions(positions));
    client.on("PositionUpdate", ({ position }) => account.putPosition(position));
    client.on("PresenceUpdate", (update) => header.putPresence(update));
    client.on("SystemStatus", ({ status }) => {
      health.setSystem(status);
      showSystem(status);
      showStanding(client.state);
    });
    client.on("Notification", ({ level, message }) => toast(level, "From the server", message));
    client.on("stale", ({ cause }) => showStale(client, cause));
    client.on("fresh", () => showStale(client, undefined));
    client.on("error", (error) => toast("error", "Connection", error.message));
  },
});

/** What was told and did not come is in the history. */
function fillUp(): void {
  candles.refresh();
  tape.refresh();
}

function showStale(client: MarketcastClient, cause: Staleness["cause"] | undefined): void {
  if (client !== connection.client) return;
  health.setStale(cause);
  showStanding(client.state);
}

accountButton.addEventListener("click", () =>
  identity === undefined ? signIn.open() : connection.signOut(),
);

for (const radio of byId("encoding").querySelectorAll("input")) {
  radio.checked = radio.value === connection.encoding;
  radio.addEventListener("change", () => connection.setEncoding(encodingOf(radio.value)));
}

/** Shows how connection and server stand, wherever something depends on it. */
function showStanding(state: ConnectionState): void {
  const { standing } = health;
  const { connected, sentence } = standing;
  badge.show(state, standing);
  document.body.dataset["connection"] = state.status;
  document.body.toggleAttribute("data-stale", !connected && state.status !== "connecting");
  const notice = byId("notice");
  show(sentence !== undefined, notice);
  if (notice.textContent !== (sentence ?? "")) notice.textContent = sentence ?? "";
  header.setConnected(connected || state.status === "connecting");
  for (const view of [ticket, blotter, signIn, amending]) view.setConnected(connected);
}

function tellNotCancelled(error: Error): void {
  if (error instanceof ServerError && error.code === "ORDER_NOT_FOUND")
    toast("info", "The order is no longer open", "It was filled or cancelled before.");
  else if (error instanceof RequestTimeoutError && error.sent)
    toast("warning", "Not known whether the order is cancelled", "It may still be open.");
  else tellRefused("Order not cancelled", error);
}

function tellNotAllCancelled(error: Error): void {
  if (error instanceof RequestTimeoutError && error.sent)
    toast("warning", "Not known whether the orders are cancelled", "They may still be open.");
  else tellRefused("Orders not cancelled", error);
}

function tellRefused(what: string, error: Error): void {
  const refusal = refusalOf(error);
  toast("error", refusedTitle(what, refusal), refusal.text);
}

/** Shows who is signed in, and whether they can trade. */
function showIdentity(): void {
  blotter.setSignedIn(identity !== undefined);
  ticket.setTrading(trading());
  accountButton.textContent = identity?.wallet ?? identity?.user_id ?? "Sign in";
  accountButton.title = identity === undefined ? "" : `Signed in as ${identity.user_id}; sign out`;
}

function trading(): Trading {
  if (identity === undefined) return "signed-out";
  if (identity.wallet === null) return "no-wallet";
  return tradingDisabled ? "disabled" : "enabled";
}

/** Shows a market in all views. */
function select(market: MarketState, byHand: boolean): void {
  if (byHand) history.replaceState(undefined, "", `#${market.id}`);
  if (market === selected) return;
  selected = market;
  connection.follow(market.id);
  list.select(market);
  for (const view of [book, tape, ticket]) view.show(market);
  showCandles(market);
}

/** Shows candles of the length that is chosen, and what the last 24 hours were. */
function showCandles(market: MarketState): void {
  const { chart: fill, day } = candles.show(market.id, timeframes.chosen);
  chart.show(market, fill);
  header.show(market, day);
}

/** The market that the address names, as an id of the protocol. */
function addressed(): MarketState | undefined {
  const digits = /^#(\d+)$/.exec(location.hash)?.[1];
  if (digits === undefined) return undefined;
  const id: MarketId = Number.isSafeInteger(Number(digits)) ? Number(digits) : digits;
  return store.get(id);
}

addEventListener("hashchange", () => {
  const market = addressed();
  if (market !== undefined) select(market, false);
});

store.listen({
  listed: () => {
    if (selected !== undefined && store.get(selected.id) !== undefined) return;
    // Not before all of a snapshot is in.
    queueMicrotask(() => {
      const market = addressed() ?? list.first();
      if (market !== undefined) select(market, false);
    });
  },
});
