import { randomFillSync } from 'node:crypto';

/** `00-<trace id>-<span id>-<flags>` (W3C Trace Context, section 3.2); all-zero ids are invalid. */
const pattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Random bytes are drawn by the page: a system call for each identifier would be the dearest part of a call. */
const pool = Buffer.alloc(4096);
let used = pool.length;

/** Whether a header is a traceparent of the version that we speak. */
export function isTraceparent(header: string | undefined): header is string {
  return header !== undefined && header.length === 55 && pattern.test(header);
}

/** The beginning of a trace, sampled. */
export function newTraceparent(): string {
  return `00-${randomHex(16)}-${randomHex(8)}-01`;
}

/** A new span in the trace of `parent`; a new trace if there is no valid parent. */
export function childTraceparent(parent: string | undefined): string {
  if (!isTraceparent(parent)) return newTraceparent();
  return `${parent.slice(0, 36)}${randomHex(8)}${parent.slice(52)}`;
}

/** The 32 digits that name the whole trace. */
export function traceId(traceparent: string): string {
  return traceparent.slice(3, 35);
}

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const start = used;
  used += bytes;
  return pool.toString('hex', start, used);
}
