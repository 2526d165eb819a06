import type { Platform, Target, Transport, TransportEvents } from "./platform.js";

/** The part of a browser's WebSocket that is used. */
interface BrowserWebSocket {
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: string | ArrayBuffer }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  send(payload: string | Uint8Array): void;
  close(code?: number): void;
}

declare const WebSocket: new (url: string, subprotocol: string) => BrowserWebSocket;

/** The WebSocket that is built into browsers. */
export const browserPlatform: Platform = {
  tokenInHeader: false,

  connect({ url, subprotocol }: Target, events: TransportEvents): Transport {
    const ws = new WebSocket(url, subprotocol);
    ws.binaryType = "arraybuffer";
    ws.onopen = () => events.opened();
    ws.onmessage = ({ data }) =>
      events.received(typeof data === "string" ? data : new Uint8Array(data));
    ws.onclose = ({ code, reason }) => events.ended(code, reason);
    return {
      send: (payload) => ws.send(payload),
      close: (code) => ws.close(code),
      // A dead peer never answers the closing handshake: whoever terminates does not wait for the end.
      terminate: () => ws.close(),
    };
  },
};
