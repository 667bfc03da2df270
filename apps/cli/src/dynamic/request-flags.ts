import type { FieldDefinition, JsonValue, MessageCodec } from '@micro/proto';
import { Failure } from '../failure.js';
import { type GlobalFlags, globalFlags, splitAtEquals, takeGlobalFlag } from '../global-flags.js';
import { nearest } from '../suggest.js';
import { type FieldPath, findField, type Step } from './field-path.js';
import { fieldValue, jsonOf, mapKey, parseJson } from './field-value.js';
import { flagNames } from './flag-names.js';
import { isPlainMessage, isSwitch, wellKnown } from './well-known.js';

type JsonObject = { [key: string]: JsonValue };

/** What flags after the name of a service come to. */
export interface RequestFlags {
  readonly request: JsonObject;
  /** Global flags that stood among them. A field of the same name wins. */
  readonly globals: GlobalFlags;
}

/**
 * Flags as the JSON of a request, typed by its schema. Failure for a flag that the message does not have, naming the nearest and the legal
 * ones, for a value of the wrong type, and for two members of one oneof.
 */
export function requestFromFlags(args: readonly string[], message: MessageCodec, endpoint: string): RequestFlags {
  const request = emptyObject();
  const globals: GlobalFlags = {};
  let index = 0;
  while (index < args.length) {
    const arg = args[index]!;
    if (!arg.startsWith('-') || arg === '-')
      throw new Failure(`unexpected argument ${JSON.stringify(arg)} (fields are flags: --NAME=VALUE)`);
    const taken = arg.startsWith('--') ? takeField({ args, index, message, endpoint }, request) : 0;
    const used = taken || takeGlobalFlag(args, index, globals);
    if (used === 0) throw unknownFlag(splitAtEquals(arg)[0], message, endpoint);
    index += used;
  }
  checkLists(request, '');
  checkOneofs(message, request);
  return { request, globals };
}

interface Position {
  readonly args: readonly string[];
  readonly index: number;
  readonly message: MessageCodec;
  readonly endpoint: string;
}

/** Reads the flag at a position into the request; answers how many arguments it took, 0 if it is no field. */
function takeField({ args, index, message, endpoint }: Position, request: JsonObject): 0 | 1 | 2 {
  const [flag, inline] = splitAtEquals(args[index]!);
  const name = flag.slice(2);
  const path = findField(message, name);
  if (!path) return takeNegated({ flag, inline, message }, request);
  if (inline !== undefined) {
    assign(request, path, { text: inline, flag });
    return 1;
  }
  const next = args[index + 1];
  if (isSwitch(path.field)) {
    const given = next !== undefined && /^(true|false)$/i.test(next);
    assign(request, path, { text: given ? next : 'true', flag });
    return given ? 2 : 1;
  }
  if (next === undefined || next.startsWith('--')) {
    throw new Failure(
      `${flag} of ${endpoint} needs a value${next === undefined ? '' : ` (one that begins with -- is written ${flag}=${next})`}`,
    );
  }
  assign(request, path, { text: next, flag });
  return 2;
}

/** `--no-flag` turns a switch off. */
function takeNegated(
  { flag, inline, message }: { flag: string; inline: string | undefined; message: MessageCodec },
  request: JsonObject,
): 0 | 1 {
  if (!flag.startsWith('--no-') || inline !== undefined) return 0;
  const path = findField(message, flag.slice(5));
  if (!path || !isSwitch(path.field)) return 0;
  assign(request, path, { text: 'false', flag });
  return 1;
}

interface Given {
  readonly text: string;
  readonly flag: string;
}

function assign(request: JsonObject, path: FieldPath, given: Given): void {
  const { field } = path;
  if (path.whole && field.mapKey !== undefined) {
    for (const [key, value] of mapEntries(field, given)) put(request, [...path.steps, { kind: 'key', key }], value);
    return;
  }
  if (path.whole && field.repeated) {
    const before = valueAt(request, path.steps);
    put(request, path.steps, [...(Array.isArray(before) ? before : []), ...listElements(field, given)]);
    return;
  }
  const value = fieldValue(field, given.text, given.flag);
  const before = isPlainMessage(field) || wellKnown(field) === 'struct' ? valueAt(request, path.steps) : undefined;
  put(request, path.steps, isObject(before) && isObject(value) ? Object.assign(before, value) : value);
}

/** Elements by commas, `\,` being a comma of the text; or a JSON array. Lists of messages are JSON only. */
function listElements(field: FieldDefinition, { text, flag }: Given): JsonValue[] {
  if (text.startsWith('[')) {
    const array = parseJson(text);
    if (Array.isArray(array)) {
      return array.map((one) =>
        typeof one === 'string' && field.type !== 'message' ? fieldValue(field, one, flag) : one,
      );
    }
  }
  if (isPlainMessage(field) || ['struct', 'value', 'list', 'any'].includes(String(wellKnown(field))))
    return [fieldValue(field, text, flag)];
  return text === '' ? [] : splitAtCommas(text).map((part) => fieldValue(field, part, flag));
}

/** `key=value`, several by commas, or a JSON object. */
function mapEntries(field: FieldDefinition, { text, flag }: Given): [string, JsonValue][] {
  if (text.startsWith('{') || text.startsWith('@')) return Object.entries(jsonOf(text, flag, 'object') as JsonObject);
  if (text === '') return [];
  const parts = field.type === 'message' ? [text] : splitAtCommas(text);
  return parts.map((part) => {
    const [key, value] = splitAtEquals(part);
    if (value === undefined)
      throw new Failure(`${flag} is a map: write ${flag}=KEY=VALUE or ${flag}.KEY=VALUE, not ${JSON.stringify(part)}`);
    return [mapKey(field, key, flag), fieldValue({ ...field, mapKey: undefined }, value, flag)];
  });
}

export function splitAtCommas(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\' && (text[index + 1] === ',' || text[index + 1] === '\\')) part += text[++index]!;
    else if (character !== ',') part += character;
    else {
      parts.push(part);
      part = '';
    }
  }
  return [...parts, part];
}

function put(request: JsonObject, steps: readonly Step[], value: JsonValue): void {
  let here: JsonObject | JsonValue[] = request;
  steps.forEach((step, at) => {
    const key = keyOf(step);
    if (at === steps.length - 1) {
      (here as JsonObject)[key] = value;
      return;
    }
    const next = (here as JsonObject)[key];
    if (typeof next !== 'object' || next === null)
      (here as JsonObject)[key] = steps[at + 1]!.kind === 'index' ? [] : emptyObject();
    here = (here as JsonObject)[key] as JsonObject;
  });
}

/** A list that was filled by index must have every element up to its last. */
function checkLists(value: JsonValue, name: string): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (!(index in value))
        throw new Failure(`--${name}.${index} is missing: the elements of a list are numbered from 0 without gaps`);
    }
  }
  for (const [key, inner] of Object.entries(value)) checkLists(inner, name === '' ? key : `${name}.${key}`);
}

function valueAt(request: JsonObject, steps: readonly Step[]): JsonValue | undefined {
  let here: JsonValue | undefined = request;
  for (const step of steps) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as JsonObject)[keyOf(step)];
  }
  return here;
}

function keyOf(step: Step): string {
  return step.kind === 'field' ? step.field.jsonName : step.kind === 'key' ? step.key : String(step.index);
}

/** Of the members of a oneof only one can be sent. */
function checkOneofs(message: MessageCodec, request: JsonObject, prefix = '--'): void {
  const set = new Map<string, string>();
  for (const field of message.fields) {
    const value = request[field.jsonName];
    if (value === undefined) continue;
    if (field.oneof !== undefined) {
      const other = set.get(field.oneof);
      if (other !== undefined)
        throw new Failure(
          `${prefix}${other} and ${prefix}${field.name} exclude each other: only one member of ${field.oneof} can be set`,
        );
      set.set(field.oneof, field.name);
    }
    if (isPlainMessage(field) && field.mapKey === undefined && isObject(value))
      checkOneofs(field.message!(), value, `${prefix}${field.name}.`);
  }
}

function unknownFlag(flag: string, message: MessageCodec, endpoint: string): Failure {
  const legal = flagNames(message);
  const near = nearest(flag, [...legal, ...globalFlags.map(({ name }) => `--${name}`)]);
  const suggestion = near.length > 0 ? `; did you mean ${near.join(' or ')}?` : '';
  const takes =
    legal.length > 0
      ? `it takes ${legal.slice(0, 20).join(', ')}${legal.length > 20 ? ', …' : ''}`
      : 'it takes no fields';
  return new Failure(`unknown flag ${flag} of ${endpoint}${suggestion} (${takes})`);
}

/** Without a prototype: a map's key may be `__proto__`. */
function emptyObject(): JsonObject {
  return Object.create(null) as JsonObject;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
