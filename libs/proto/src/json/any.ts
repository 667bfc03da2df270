import type { JsonValue } from '../definition.js';
import { describe, Invalid, within } from '../invalid.js';
import type { MessageType } from '../message-type.js';
import { tooDeep } from '../wire/reader.js';
import { hasSpecialJson, type WellKnown } from './well-known.js';

interface Any {
  readonly typeUrl?: string;
  readonly value?: Uint8Array;
}

/** An Any shows the message that is in it, next to `@type`; the schema must know its type. */
export function anyJson(any: MessageType): WellKnown {
  const typeOf = (url: string): MessageType => {
    const slash = url.lastIndexOf('/');
    if (slash < 0)
      throw new Invalid(
        `expected a type URL such as type.googleapis.com/package.Message, not ${describe(url)}`,
        '@type',
      );
    const type = any.source.anyType(url.slice(slash + 1));
    if (!type)
      throw new Invalid(`the schema does not have ${url.slice(slash + 1)}: import the file that defines it`, '@type');
    return type;
  };
  return {
    toJson: ({ typeUrl = '', value = new Uint8Array() }: Any): JsonValue => {
      if (typeUrl === '' && value.length === 0) return {};
      const type = typeOf(typeUrl);
      const json = type.jsonOut(type.decodeIn(value));
      return hasSpecialJson(type) ? { '@type': typeUrl, value: json } : { '@type': typeUrl, ...(json as object) };
    },
    fromJson: (json, ignore, depth) => {
      if (typeof json !== 'object' || json === null || Array.isArray(json))
        throw new Invalid(`expected an object, not ${describe(json)}`);
      if (depth <= 0) throw tooDeep();
      const { '@type': typeUrl, ...rest } = json as Record<string, unknown>;
      if (typeUrl === undefined && Object.keys(rest).length === 0) return any.empty();
      if (typeof typeUrl !== 'string')
        throw new Invalid(`expected the URL of a type, not ${describe(typeUrl)}`, '@type');
      const type = typeOf(typeUrl);
      return {
        typeUrl,
        value: type.encodeIn(
          hasSpecialJson(type) ? special(type, rest, { ignore, depth }) : type.jsonIn(rest, ignore, depth - 1),
        ),
      };
    },
  };
}

function special(
  type: MessageType,
  { value, ...rest }: Record<string, unknown>,
  { ignore, depth }: { ignore: boolean; depth: number },
): object {
  const [other] = Object.keys(rest);
  if (other !== undefined && !ignore) throw new Invalid(`${type.name} in an Any has only @type and value`, other);
  if (value === undefined) throw new Invalid(`expected the value of ${type.name}`, 'value');
  try {
    return type.jsonIn(value, ignore, depth - 1);
  } catch (error) {
    throw within(error, 'value');
  }
}
