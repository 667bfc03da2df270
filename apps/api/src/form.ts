import { MicroError } from '@micro/errors';
import { shown } from './path.js';
import type { NamedValues } from './values.js';

/**
 * Adds the text fields of a multipart/form-data body (RFC 7578). Files are refused: a bytes field takes base64 in JSON. MicroError
 * `invalid_argument` for a body that is not what its content type says.
 */
export function addMultipart(values: NamedValues, body: Buffer, contentType: string): void {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^;\s]{1,70}))/i.exec(contentType);
  if (!boundary) throw new MicroError('invalid_argument', 'the multipart body has no boundary in its content type');
  const delimiter = Buffer.from(`--${boundary[1] ?? boundary[2]}`, 'latin1');
  let at = body.indexOf(delimiter);
  if (at === -1) throw malformed('its boundary does not occur');
  for (;;) {
    at += delimiter.length;
    if (body[at] === dash && body[at + 1] === dash) return;
    const headersStart = body.indexOf('\r\n', at);
    const headersEnd = body.indexOf('\r\n\r\n', at);
    const end = body.indexOf(delimiter, at);
    if (headersStart === -1 || headersEnd === -1 || end === -1 || headersEnd > end)
      throw malformed('a part is not complete');
    const headers = body.toString('utf8', headersStart, headersEnd);
    const disposition = /^content-disposition:\s*form-data\b(.*)$/im.exec(headers)?.[1] ?? '';
    const name = /;\s*name="([^"]*)"/i.exec(disposition)?.[1];
    if (name === undefined) throw malformed('a part has no name');
    if (/;\s*filename\*?=/i.test(disposition)) {
      throw new MicroError(
        'invalid_argument',
        `"${shown(name)}" is a file; send JSON, with the file as base64 in a bytes field`,
        { status: 415 },
      );
    }
    values.add(name.replace(/%22/g, '"'), body.toString('utf8', headersEnd + 4, Math.max(end - 2, headersEnd + 4)));
    at = end;
  }
}

const dash = 0x2d;

function malformed(problem: string): MicroError {
  return new MicroError('invalid_argument', `the multipart body is malformed: ${problem}`);
}
