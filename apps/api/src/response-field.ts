import type { FieldDefinition, JsonValue, MethodDefinition } from '@micro/proto';

/** One field of a response, under any of its names; what it is when it is not set, where it is not there. */
export function fieldOf(message: JsonValue, name: string, definition: MethodDefinition | undefined): JsonValue {
  const field = definition?.output.fields.find((one) => one.name === name || one.jsonName === name);
  const values = message as Readonly<Record<string, JsonValue>>;
  for (const key of [field?.jsonName ?? name, name]) if (Object.hasOwn(values, key)) return values[key] as JsonValue;
  return field ? unset(field) : null;
}

/** In canonical JSON (protobuf.dev/programming-guides/json). */
function unset(field: FieldDefinition): JsonValue {
  if (field.mapKey !== undefined) return {};
  if (field.repeated) return [];
  switch (field.type) {
    case 'message':
      // Of well-known types the JSON is a scalar, and that of none is null.
      return field.message?.().name.startsWith('google.protobuf.') ? null : {};
    case 'enum':
      return Object.entries(field.enum?.values ?? {}).find(([, number]) => number === 0)?.[0] ?? 0;
    case 'bool':
      return false;
    case 'string':
    case 'bytes':
      return '';
    case 'int64':
    case 'sint64':
    case 'sfixed64':
    case 'uint64':
    case 'fixed64':
      return '0';
    default:
      return 0;
  }
}
