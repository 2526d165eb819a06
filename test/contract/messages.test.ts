import { describe, expectTypeOf, it } from "vitest";
import type { z } from "zod";
import type { Channel } from "../../src/contract/channels-schema.js";
import type { ClientType, clientData } from "../../src/contract/client-messages-schema.js";
import type {
  ClientData,
  ServerData,
  Channel as WireChannel,
} from "../../src/contract/messages.js";
import type { ServerType, serverData } from "../support/server-messages-schema.js";

/** As zod has it, but that what may be missing is never there and undefined, and nothing is written to. */
type Plain<T> = T extends readonly [unknown, ...unknown[]]
  ? { readonly [K in keyof T]: Plain<T[K]> }
  : T extends readonly (infer Item)[]
    ? readonly Plain<Item>[]
    : T extends object
      ? { readonly [K in keyof T]: Plain<Exclude<T[K], undefined>> }
      : T;

/** Types of `Of` whose data in `From` do not fit those in `To`; none where all is well. */
type Misfits<From, To, Of extends keyof From & keyof To> = {
  [T in Of]: From[T] extends To[T] ? never : T;
}[Of];

/*
 * Only the compiler can fail these: `npm run check` does, where the plain types of clients and the
 * schemas of the server part.
 */
describe("messages", () => {
  it("messages - clients know every type that the server sends, and its data", () => {
    type Sent = { [T in ServerType]: Plain<z.output<(typeof serverData)[T]>> };
    expectTypeOf<ServerType>().toEqualTypeOf<keyof ServerData>();
    expectTypeOf<Misfits<Sent, ServerData, ServerType>>().toBeNever();
  });

  it("messages - the server takes every type that clients send, and its data", () => {
    type Taken = { [T in ClientType]: Plain<z.input<(typeof clientData)[T]>> };
    expectTypeOf<ClientType>().toEqualTypeOf<keyof ClientData>();
    expectTypeOf<Misfits<ClientData, Taken, ClientType>>().toBeNever();
  });

  it("messages - a channel in the server's spelling is one that clients may send", () => {
    expectTypeOf<Plain<Channel>>().toExtend<WireChannel>();
  });
});
