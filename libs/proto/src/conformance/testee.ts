/**
 * The program that protobuf's conformance runner talks to: requests on stdin and responses on stdout, each after its length in four bytes
 * (protobuf's conformance/conformance.proto).
 */
import { readdirSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson, parseSchema } from '../index.js';

interface Request {
  readonly protobufPayload?: Uint8Array;
  readonly jsonPayload?: string;
  readonly jspbPayload?: string;
  readonly textPayload?: string;
  readonly requestedOutputFormat: number;
  readonly messageType: string;
  readonly testCategory: number;
}

/** conformance.WireFormat and conformance.TestCategory */
const formats = { protobuf: 1, json: 2 };
const ignoreUnknown = 3;

const [include = ''] = process.argv.slice(2);
const schema = parseSchema(
  Object.fromEntries(
    ['conformance', 'google/protobuf'].flatMap((folder) =>
      readdirSync(join(include, folder)).map((file) => [
        `${folder}/${file}`,
        readFileSync(join(include, folder, file), 'utf8'),
      ]),
    ),
  ),
);
const request = schema.message('conformance.ConformanceRequest');
const response = schema.message('conformance.ConformanceResponse');

function answer(asked: Request): object {
  if (asked.messageType === 'conformance.FailureSet') return { protobufPayload: new Uint8Array() };
  const { protobufPayload, jsonPayload, requestedOutputFormat: output } = asked;
  if (protobufPayload === undefined && jsonPayload === undefined) return { skipped: 'only protobuf and JSON are read' };
  if (output !== formats.protobuf && output !== formats.json) return { skipped: 'only protobuf and JSON are written' };
  const codec = schema.message(asked.messageType);
  let message: object;
  try {
    message = protobufPayload
      ? codec.decode(protobufPayload)
      : codec.fromJson(parseJson(jsonPayload!), { ignoreUnknownFields: asked.testCategory === ignoreUnknown });
  } catch (error) {
    return { parseError: String(error) };
  }
  try {
    return output === formats.protobuf
      ? { protobufPayload: codec.encode(message) }
      : { jsonPayload: JSON.stringify(codec.toJson(message)) };
  } catch (error) {
    return { serializeError: String(error) };
  }
}

/** Reads so many bytes; undefined at the end of the input. */
function read(length: number): Buffer | undefined {
  const buffer = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const count = readSync(0, buffer, at, length - at, null);
    if (count === 0) return undefined;
    at += count;
  }
  return buffer;
}

function write(buffer: Uint8Array): void {
  for (let at = 0; at < buffer.length;) at += writeSync(1, buffer, at);
}

for (let header = read(4); header; header = read(4)) {
  const body = read(header.readUInt32LE());
  if (!body) break;
  const bytes = response.encode(answer(request.decode(body) as Request));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(bytes.length);
  write(Buffer.concat([size, bytes]));
}
