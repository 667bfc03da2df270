import type { JsonValue, MessageCodec } from '@micro/proto';
import { isPlainMessage, wellKnownMessage } from '../dynamic/well-known.js';
import { didYouMean } from '../suggest.js';

/** What a request has and its type has not: such fields are dropped without a word by whoever reads it. */
interface UnknownField {
  /** `options.vloume`; of elements of a list and values of a map without their index or key. */
  readonly path: string;
  readonly name: string;
  readonly message: MessageCodec;
}

/** How many are named; the others are counted. */
const mostNamed = 5;

/** A warning for people, naming each unknown field with the nearest ones that there are; undefined if all are known. */
export function unknownFieldsWarning(request: JsonValue, type: MessageCodec): string | undefined {
  const found = new Map<string, UnknownField>();
  for (const field of unknownFields(request, type, '')) found.set(field.path, field);
  if (found.size === 0) return undefined;
  const all = [...found.values()];
  const lines = all.slice(0, mostNamed).map(({ path, name, message }) => {
    const legal = message.fields.map(({ jsonName }) => jsonName);
    const takes =
      legal.length > 0 ? `has ${legal.slice(0, 12).join(', ')}${legal.length > 12 ? ', …' : ''}` : 'has none';
    return `warning: the request's field ${path} is ignored${didYouMean(name, legal)} (${message.name} ${takes})`;
  });
  return [...lines, ...(all.length > mostNamed ? [`warning: and ${all.length - mostNamed} more`] : [])].join('\n');
}

function* unknownFields(value: JsonValue, message: MessageCodec, prefix: string): Generator<UnknownField> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !isRecord(message)) return;
  for (const [name, inner] of Object.entries(value)) {
    const field = message.fields.find(({ jsonName, name: inProto }) => jsonName === name || inProto === name);
    const path = `${prefix}${name}`;
    if (!field) {
      // An extension is written in brackets, and known to those who know its file.
      if (!name.startsWith('[')) yield { path, name, message };
      continue;
    }
    if (!field.message || !isPlainMessage(field)) continue;
    for (const one of elements(inner, field)) yield* unknownFields(one, field.message(), `${path}.`);
  }
}

/** Whether its JSON is an object of its fields. */
function isRecord(message: MessageCodec): boolean {
  return wellKnownMessage(message) === undefined || wellKnownMessage(message) === 'empty';
}

function elements(
  value: JsonValue,
  field: { readonly repeated: boolean; readonly mapKey?: string },
): readonly JsonValue[] {
  if (field.mapKey !== undefined) return typeof value === 'object' && value !== null ? Object.values(value) : [];
  return field.repeated ? (Array.isArray(value) ? value : []) : [value];
}
