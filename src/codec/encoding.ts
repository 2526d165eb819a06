import type { PushEncoder } from "./push-encoder.js";

/** All that the server has to know of an encoding. */
export interface EncodingDescriptor {
  readonly name: string;
  /** WebSocket subprotocol that stands for it. */
  readonly subprotocol: string;
  /** The frames that its messages come in, either way. */
  readonly frames: "text" | "binary";
  readonly encoder: PushEncoder;
  readonly decoder: PayloadDecoder;
}

/** From the payload of a client's message to a value, which is any. */
export interface PayloadDecoder {
  /** The format's name, as clients are told. */
  readonly format: string;
  /**
   * Walks a payload before it is decoded: what of its structure or its bounds is wrong, in words for the
   * client, or undefined.
   * @param valuesMax how many values it may have in all
   */
  findFault(payload: Buffer, valuesMax: number): string | undefined;
  /** Throws where the payload is not of the format. */
  decode(payload: Buffer): unknown;
}
