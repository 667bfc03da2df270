import { headerName } from '../http-fields.js';
import { errorCode, StreamError } from './frames.js';

const pseudo = new Set([':method', ':scheme', ':path', ':authority']);
/** Headers of HTTP/1.1's connections, which have no place here (RFC 9113, section 8.2.2). */
const ofConnection = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
/** RFC 9113, section 8.2.1. */
const notInValue = /[\0\r\n]|^[ \t]|[ \t]$/;

/** Checks what a request begins with (RFC 9113, section 8.3.1). Throws StreamError. Returns its content-length; undefined without one. */
export function checkRequest(stream: number, headers: readonly string[]): number | undefined {
  const seen = new Set<string>();
  let length: number | undefined;
  let regular = false;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    const value = headers[index + 1] as string;
    if (name.charCodeAt(0) !== colon) {
      regular = true;
      const found = checkField(stream, name, value);
      if (found !== undefined && length !== undefined && found !== length) throw malformed(stream, 'two lengths');
      length ??= found;
      continue;
    }
    if (regular || !pseudo.has(name) || seen.has(name) || notInValue.test(value))
      throw malformed(stream, `pseudo-header ${name}`);
    if (name === ':path' && value === '') throw malformed(stream, 'an empty path');
    seen.add(name);
  }
  if (!seen.has(':method') || !seen.has(':scheme') || !seen.has(':path'))
    throw malformed(stream, 'a missing pseudo-header');
  return length;
}

/** Checks what a request ends with (RFC 9113, section 8.1). Throws StreamError. */
export function checkTrailers(stream: number, headers: readonly string[]): void {
  for (let index = 0; index < headers.length; index += 2)
    checkField(stream, headers[index] as string, headers[index + 1] as string);
}

const colon = 0x3a;

/** Returns the number of a content-length. */
function checkField(stream: number, name: string, value: string): number | undefined {
  if (headerName(name) !== name || ofConnection.has(name)) throw malformed(stream, `a header called ${name}`);
  if (notInValue.test(value)) throw malformed(stream, `the value of ${name}`);
  if (name === 'te' && value !== 'trailers') throw malformed(stream, 'te');
  if (name !== 'content-length') return undefined;
  if (!/^\d{1,15}$/.test(value)) throw malformed(stream, 'a length that is none');
  return Number(value);
}

function malformed(stream: number, what: string): StreamError {
  return new StreamError(stream, errorCode.protocol, `malformed request: ${what.slice(0, 100)}`);
}
