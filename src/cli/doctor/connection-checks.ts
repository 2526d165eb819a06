import { connect } from "node:net";
import { HandshakeError } from "../../client/node.js";
import { ENCODINGS, type Encoding, subprotocolOf, subprotocols } from "../../contract/encodings.js";
import { type Check, passed, skipped } from "./check.js";
import { Refusal } from "./raw-socket.js";

/** No server of this protocol knows it. */
const UNKNOWN_SUBPROTOCOL = "marketcast.unknown";
/** A JWT in form, signed by nobody. */
const BAD_TOKEN = "e30.e30.AAAA";

function portOf({ port, protocol }: URL): number {
  if (port !== "") return Number(port);
  return protocol === "wss:" ? 443 : 80;
}

const tcp: Check = {
  name: "tcp",
  needs: [],
  run: ({ subject: { url } }) =>
    new Promise((resolve, reject) => {
      const host = url.hostname.replace(/^\[|\]$/g, "");
      const socket = connect(portOf(url), host);
      socket.on("connect", () => {
        const { remoteAddress, remotePort } = socket;
        socket.destroy();
        resolve(passed(`port ${remotePort} of ${remoteAddress} takes connections`));
      });
      socket.on("error", reject);
    }),
};

const upgrade: Check = {
  name: "upgrade",
  needs: ["tcp"],
  async run(examination) {
    const socket = await examination.openRaw();
    const { type, data } = await socket.next();
    if (type !== "Connected") throw new Error(`the first message is not Connected but ${type}`);
    return passed(`greeted in epoch ${data?.["epoch"]}`);
  },
};

/** That an encoding is spoken; later checks go on with the client of the first. */
function spoken(encoding: Encoding): Check {
  return {
    name: encoding,
    needs: ["upgrade"],
    async run(examination) {
      const client = await examination.connect(encoding);
      if (encoding === ENCODINGS[0]) examination.client = client;
      await client.ping();
      if (examination.client !== client) await client.close();
      return passed(`${subprotocolOf(encoding)} is spoken`);
    },
  };
}

const unknownSubprotocol: Check = {
  name: "unknown subprotocol",
  needs: ["upgrade"],
  async run(examination) {
    const refusal = await examination.openRaw(UNKNOWN_SUBPROTOCOL).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refusal === undefined) throw new Error(`${UNKNOWN_SUBPROTOCOL} is taken`);
    if (!(refusal instanceof Refusal) || refusal.status !== 400) throw refusal;
    const unnamed = subprotocols().filter((name) => !refusal.body.includes(name));
    if (unnamed.length > 0) throw new Error(`400, which does not name ${unnamed.join(", ")}`);
    return passed("refused with 400, which names the known ones");
  },
};

const anonymous: Check = {
  name: "anonymous",
  needs: ["json"],
  async run({ client }) {
    const state = client?.state;
    if (state?.status !== "open") throw new Error("the connection is gone");
    if (state.userId !== undefined) throw new Error(`taken for the user ${state.userId}`);
    return passed("connected without a token");
  },
};

const token: Check = {
  name: "token",
  needs: ["upgrade"],
  async run(examination) {
    const { subject } = examination;
    if (subject.token === undefined) return skipped("none was given");
    examination.user = await examination.connect("json", subject.token);
    const { state } = examination.user;
    if (state.status !== "open" || state.userId === undefined) throw new Error("it has no effect");
    const wallet = state.wallet === null ? "without a wallet" : `wallet ${state.wallet}`;
    return passed(`user ${state.userId}, ${wallet}`);
  },
};

const badToken: Check = {
  name: "bad token",
  needs: ["upgrade"],
  async run(examination) {
    const refusal = await examination.connect("json", BAD_TOKEN).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refusal === undefined) throw new Error("a token that nobody signed is taken");
    if (!(refusal instanceof HandshakeError) || refusal.status !== 401) throw refusal;
    return passed("refused with 401");
  },
};

/** Connecting, the choice of an encoding, and who is let in. */
export const CONNECTION_CHECKS: readonly Check[] = [
  tcp,
  upgrade,
  ...ENCODINGS.map(spoken),
  unknownSubprotocol,
  anonymous,
  token,
  badToken,
];
