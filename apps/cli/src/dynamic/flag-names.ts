import type { FieldDefinition, MessageCodec } from '@micro/proto';
import { isPlainMessage, type WellKnown, wellKnown } from './well-known.js';

/** One flag of an endpoint, for help, completion and errors. */
export interface FlagHelp {
  /** `--options.domain` */
  readonly flag: string;
  /** What it takes: `string`, `A|B`, `string, repeated`. */
  readonly type: string;
  readonly comment: string;
}

/** How deep fields inside fields are listed; deeper ones can be set all the same. */
const depthShown = 4;

/** The flags of a message, those of messages inside it with dots. */
export function flagsOf(message: MessageCodec, prefix = '--', inside: readonly string[] = []): FlagHelp[] {
  return message.fields.flatMap((field) => {
    const flag = `${prefix}${field.name}`;
    const plain = isPlainMessage(field) && !field.repeated && field.mapKey === undefined;
    if (plain) {
      const inner = field.message!();
      if (!inside.includes(inner.name) && inside.length < depthShown && inner.fields.length > 0) {
        return flagsOf(inner, `${flag}.`, [...inside, message.name]);
      }
    }
    return [{ flag: field.mapKey === undefined ? flag : `${flag}.KEY`, type: typeText(field), comment: field.comment }];
  });
}

export function flagNames(message: MessageCodec): string[] {
  return flagsOf(message).map(({ flag }) => flag);
}

/** A field's type for people: `string`, `int32, repeated`, `map of string to int32`, `A|B|C`. */
export function typeText(field: FieldDefinition): string {
  const one = valueText(field);
  if (field.mapKey !== undefined) return `map of ${field.mapKey} to ${one}`;
  return field.repeated ? `${one}, repeated` : one;
}

function valueText(field: FieldDefinition): string {
  const known = wellKnown(field);
  if (typeof known === 'object') return known.wraps;
  if (known !== undefined) return wellKnownText[known];
  if (field.enum) return Object.keys(field.enum.values).join('|');
  return field.type === 'message' ? field.message!().name : field.type;
}

const wellKnownText: Readonly<Record<Extract<WellKnown, string>, string>> = {
  timestamp: 'time',
  duration: 'duration',
  fieldMask: 'field mask',
  struct: 'JSON object',
  value: 'JSON',
  list: 'JSON array',
  any: 'JSON object',
  empty: '{}',
};
