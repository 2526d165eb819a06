/** One unmasked WebSocket frame, as a server sends them. */
export interface Frame {
  /** The first byte: FIN and opcode. */
  readonly head: number;
  readonly payload: Buffer;
  /** Bytes of the header. */
  readonly headerBytes: number;
}

/** Parses whole frames by RFC 6455, section 5.2; throws where the bytes are none, or not whole. */
export function parseFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const head = bytes.readUInt8(at);
    const short = bytes.readUInt8(at + 1);
    if (short > 127) throw new Error("a server's frame is masked");
    let headerBytes = 2;
    let length = short;
    if (short === 126) {
      length = bytes.readUInt16BE(at + 2);
      headerBytes = 4;
    } else if (short === 127) {
      length = Number(bytes.readBigUInt64BE(at + 2));
      headerBytes = 10;
    }
    const start = at + headerBytes;
    if (start + length > bytes.length) throw new Error("a frame is cut off");
    frames.push({ head, payload: bytes.subarray(start, start + length), headerBytes });
    at = start + length;
  }
  return frames;
}
