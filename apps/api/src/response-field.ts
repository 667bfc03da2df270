import type { JsonValue, MethodDefinition } from '@micro/proto';

/** One field of a response, under any of its names; what it is when it is not set, where it is not there. */
export function fieldOf(message: JsonValue, name: string, definition: MethodDefinition | undefined): JsonValue {
  const field = definition?.output.fields.find((one) => one.name === name || one.jsonName === name);
  const values = message as Readonly<Record<string, JsonValue>>;
  for (const key of [field?.jsonName ?? name, name]) if (Object.hasOwn(values, key)) return values[key] as JsonValue;
  if (field?.mapKey !== undefined || field?.message) return field.repeated && field.mapKey === undefined ? [] : {};
  if (field?.repeated) return [];
  return field?.type === 'bool' ? false : field?.type === 'string' || field?.type === 'bytes' ? '' : field ? 0 : null;
}
