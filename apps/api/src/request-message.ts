import { MicroError } from '@micro/errors';
import type { JsonValue, MessageCodec, MethodDefinition } from '@micro/proto';
import type { Format, Wanted } from './content.js';
import { addMultipart } from './form.js';
import { jsonText, parseJson } from './json.js';
import { shown } from './path.js';
import type { Variables } from './template.js';
import { isObject, type JsonObject, merge, NamedValues } from './values.js';

/** Everything that a request says of its message. */
export interface Sources {
  readonly variables: Variables;
  /** Without the question mark. */
  readonly query: string;
  readonly body: Buffer;
  readonly format: Format;
  readonly contentType: string;
  /** What the body stands for: `*` the message, else a field of it; empty: nothing, it is ignored. */
  readonly bodyField: string;
}

/** The message as it is sent: JSON, or protobuf by its schema. MicroError `invalid_argument` naming what is wrong. */
export function messageBytes(sources: Sources, definition: MethodDefinition | undefined, lane: Wanted): Buffer {
  try {
    const message = messageOf(sources, definition?.input);
    if (lane === 'json' || !definition) return Buffer.from(jsonText(message));
    // Fields that the schema does not know are left out, as services leave them out.
    const bytes = definition.input.encode(definition.input.fromJson(message, { ignoreUnknownFields: true }));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    if (error instanceof RangeError)
      throw new MicroError('invalid_argument', 'the message nests too deeply', { id: 'api', cause: error });
    throw error;
  }
}

/** The message as JSON: query and path variables with the body laid upon them. */
export function messageOf(sources: Sources, codec: MessageCodec | undefined): JsonObject {
  const named = new NamedValues();
  named.addEncoded(sources.query);
  for (const [field, value] of sources.variables) named.add(field, value);
  return merge(named.toJson(codec), ofBody(sources, codec), codec);
}

function ofBody({ body, format, contentType, bodyField }: Sources, codec: MessageCodec | undefined): JsonObject {
  if (bodyField === '') return {};
  const field =
    bodyField === '*'
      ? undefined
      : codec?.fields.find(({ name, jsonName }) => name === bodyField || jsonName === bodyField);
  const target = bodyField === '*' ? codec : field?.message?.();
  const value = bodyValue({ body, format, contentType }, target);
  if (value === undefined) return {};
  if (bodyField !== '*') return { [field?.jsonName ?? bodyField]: value };
  if (isObject(value)) return value;
  throw new MicroError(
    'invalid_argument',
    `the body must be a JSON object, not ${Array.isArray(value) ? 'a list' : shown(jsonText(value))}`,
    { id: 'api' },
  );
}

function bodyValue(
  { body, format, contentType }: Pick<Sources, 'body' | 'format' | 'contentType'>,
  codec: MessageCodec | undefined,
): JsonValue | undefined {
  if (format === 'proto') {
    if (!codec)
      throw new MicroError(
        'failed_precondition',
        'the service has registered no schema to read protobuf by: send JSON',
        { id: 'api' },
      );
    return codec.toJson(codec.decode(body));
  }
  if (body.length === 0) return undefined;
  if (format === 'json') return parseJson(body);
  const named = new NamedValues();
  if (format === 'form') named.addEncoded(body.toString('utf8'));
  else addMultipart(named, body, contentType);
  return named.toJson(codec);
}
