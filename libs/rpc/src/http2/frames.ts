/** Frames of HTTP/2 (RFC 9113, section 6), as they stand on the wire. */

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

/** RFC 9113, section 7. */
export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
} as const;

/** RFC 9113, section 6.5.2. */
export const setting = {
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const frameHeaderBytes = 9;
/** Payload of a frame at most, unless SETTINGS_MAX_FRAME_SIZE says otherwise. Ours never does. */
export const maxPayloadBytes = 16_384;
/** Flow-control window of a stream, and of the connection, unless SETTINGS says otherwise. */
export const defaultWindow = 65_535;
export const largestWindow = 2 ** 31 - 1;

/** The whole connection is of no use any more (RFC 9113, section 5.4.1). */
export class ConnectionError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** One stream is of no use any more (RFC 9113, section 5.4.2). */
export class StreamError extends Error {
  readonly code: number;
  readonly stream: number;
  constructor(stream: number, code: number, message: string) {
    super(message);
    this.stream = stream;
    this.code = code;
  }
}

/** Writes a frame's header; returns where its payload begins. */
export function writeFrameHeader(
  target: Buffer,
  at: number,
  frame: { readonly type: number; readonly flags: number; readonly stream: number; readonly length: number },
): number {
  target.writeUIntBE(frame.length, at, 3);
  target[at + 3] = frame.type;
  target[at + 4] = frame.flags;
  target.writeUInt32BE(frame.stream, at + 5);
  return at + frameHeaderBytes;
}

export function encodeFrame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  frame.set(payload, writeFrameHeader(frame, 0, { type, flags, stream, length: payload.length }));
  return frame;
}

/** A frame whose payload is one 32-bit number: RST_STREAM, WINDOW_UPDATE. */
export function encodeNumber(type: number, stream: number, value: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(value);
  return encodeFrame(type, 0, stream, payload);
}

export function encodeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(settings.length * 6);
  for (const [index, [id, value]] of settings.entries())
    payload.writeUInt32BE(value, payload.writeUInt16BE(id, index * 6));
  return encodeFrame(frameType.settings, 0, 0, payload);
}

export function encodeGoaway(lastStream: number, code: number, reason: string): Buffer {
  const payload = Buffer.concat([Buffer.allocUnsafe(8), Buffer.from(reason, 'utf8')]);
  payload.writeUInt32BE(code, payload.writeUInt32BE(lastStream, 0));
  return encodeFrame(frameType.goaway, 0, 0, payload);
}

/** A header block as HEADERS and, if it is too long for one frame, CONTINUATION. */
export function encodeHeaderFrames(stream: number, block: Buffer, endStream: boolean, maxPayload: number): Buffer {
  const end = endStream ? flag.endStream : 0;
  if (block.length <= maxPayload) return encodeFrame(frameType.headers, end | flag.endHeaders, stream, block);
  const frames = [encodeFrame(frameType.headers, end, stream, block.subarray(0, maxPayload))];
  for (let at = maxPayload; at < block.length; at += maxPayload) {
    const last = at + maxPayload >= block.length;
    frames.push(
      encodeFrame(frameType.continuation, last ? flag.endHeaders : 0, stream, block.subarray(at, at + maxPayload)),
    );
  }
  return Buffer.concat(frames);
}

/** A DATA or HEADERS payload without its padding (RFC 9113, section 6.1). */
export function withoutPadding(payload: Buffer, flags: number): Buffer {
  if ((flags & flag.padded) === 0) return payload;
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length)
    throw new ConnectionError(errorCode.protocol, 'the padding is longer than its frame');
  return payload.subarray(1, payload.length - padding);
}
