import type { FieldDefinition, MessageCodec } from '@micro/proto';
import { isPlainMessage, wellKnown } from './well-known.js';

/** One step from a message into what it holds. */
export type Step =
  | { readonly kind: 'field'; readonly field: FieldDefinition }
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'index'; readonly index: number };

/** Where a flag's value goes, and the field that types it. */
export interface FieldPath {
  readonly steps: readonly Step[];
  readonly field: FieldDefinition;
  /** Whether the path ends at the whole field: then a list takes several values, and a map takes KEY=VALUE. */
  readonly whole: boolean;
}

/**
 * The field that a flag's name means: as in the .proto, in camelCase or with hyphens, and of fields inside fields with dots, underscores or
 * hyphens between: `options.domain` and `options_domain`; `labels.KEY` of a map; `items.0.name` of a list. A field of exactly that name
 * wins over one inside another; undefined if there is none.
 */
export function findField(message: MessageCodec, name: string): FieldPath | undefined {
  const wanted = snake(name);
  const exact = message.fields.find((field) => snake(field.name) === wanted || snake(field.jsonName) === wanted);
  if (exact) return { steps: [{ kind: 'field', field: exact }], field: exact, whole: true };
  for (const { field, rest } of containers(message, name)) {
    const inner = findInside(field, rest);
    if (inner) return { ...inner, steps: [{ kind: 'field', field }, ...inner.steps] };
  }
  return undefined;
}

/** Fields that the name may begin with, the longest first, and what of the name is left after them. */
function containers(message: MessageCodec, name: string): { readonly field: FieldDefinition; readonly rest: string }[] {
  const found: { readonly field: FieldDefinition; readonly rest: string }[] = [];
  for (const field of message.fields) {
    if (!isContainer(field)) continue;
    const spelled = [field.name, field.jsonName, field.name.replaceAll('_', '-')].find(
      (spelling) => name.startsWith(spelling) && /^[._-]./.test(name.slice(spelling.length)),
    );
    if (spelled !== undefined) found.push({ field, rest: name.slice(spelled.length + 1) });
  }
  return found.sort((a, b) => a.rest.length - b.rest.length);
}

function isContainer(field: FieldDefinition): boolean {
  if (field.mapKey !== undefined || (field.repeated && field.type === 'message')) return true;
  return field.type === 'message' && (isPlainMessage(field) || wellKnown(field) === 'struct');
}

function findInside(field: FieldDefinition, rest: string): FieldPath | undefined {
  if (field.mapKey !== undefined) return findInMap(field, rest);
  if (field.repeated) return findInList(field, rest);
  if (wellKnown(field) === 'struct')
    return { steps: [{ kind: 'key', key: rest }], field: freeValue(field), whole: false };
  return findField(field.message!(), rest);
}

/** A map's key may hold dots, unless its values are messages: then the key ends at the first dot that leaves a field of them. */
function findInMap(field: FieldDefinition, rest: string): FieldPath | undefined {
  const dot = rest.indexOf('.');
  if (dot > 0 && isPlainMessage(field)) {
    const inner = findField(field.message!(), rest.slice(dot + 1));
    if (inner) return { ...inner, steps: [{ kind: 'key', key: rest.slice(0, dot) }, ...inner.steps] };
  }
  return { steps: [{ kind: 'key', key: rest }], field: { ...field, mapKey: undefined, repeated: false }, whole: false };
}

/** The longest list that indexes may make: a mistyped index must not fill the memory. */
const longestList = 10_000;

function findInList(field: FieldDefinition, rest: string): FieldPath | undefined {
  const match = /^(\d{1,6})(?:[._-](.+))?$/.exec(rest);
  const index = Number(match?.[1]);
  if (!match || index >= longestList) return undefined;
  const element: FieldDefinition = { ...field, repeated: false };
  if (match[2] === undefined) return { steps: [{ kind: 'index', index }], field: element, whole: false };
  if (!isPlainMessage(element)) return undefined;
  const inner = findField(element.message!(), match[2]);
  return inner && { ...inner, steps: [{ kind: 'index', index }, ...inner.steps] };
}

/** A member of a Struct takes any JSON. */
function freeValue(field: FieldDefinition): FieldDefinition {
  return { ...field, message: () => ({ ...field.message!(), name: 'google.protobuf.Value' }) };
}

/** `firstName`, `first-name` and `first_name` are one name. */
function snake(name: string): string {
  return name
    .replaceAll('-', '_')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase();
}
