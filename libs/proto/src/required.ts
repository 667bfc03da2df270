import type { Field } from './field.js';
import { Invalid, within } from './invalid.js';
import type { MessageType } from './message-type.js';

/** Whether messages of a type, or what is in them, can lack a required field (proto2). Types that refer to each other make the answer wait. */
const known = new WeakMap<MessageType, boolean>();

/** Throws Invalid if a required field is not set, at any depth. */
export function checkRequired(type: MessageType, message: object): void {
  if (hasRequired(type)) check(type, message as Record<string, unknown>);
}

function hasRequired(type: MessageType): boolean {
  const answer = known.get(type);
  if (answer !== undefined) return answer;
  const seen = new Set<MessageType>([type]);
  for (const one of seen) {
    if (one.fields.some(({ required }) => required)) {
      known.set(type, true);
      return true;
    }
    for (const { message } of one.fields) if (message) seen.add(message());
  }
  for (const one of seen) known.set(one, false);
  return false;
}

function check(type: MessageType, message: Readonly<Record<string, unknown>>): void {
  for (const field of type.fields) {
    const value = Object.hasOwn(message, field.key) ? message[field.key] : undefined;
    if (value === undefined || value === null) {
      if (field.required) throw new Invalid('is required and not set', field.key);
    } else if (field.message && typeof value === 'object' && hasRequired(field.message())) {
      for (const [segment, one] of entries(field, value)) {
        if (typeof one !== 'object' || one === null) continue;
        try {
          check(field.message(), one as Record<string, unknown>);
        } catch (error) {
          if (segment !== undefined) within(error, segment);
          throw within(error, field.key);
        }
      }
    }
  }
}

function entries({ repeated, map }: Field, value: object): Iterable<readonly [string | number | undefined, unknown]> {
  if (repeated) return (value as unknown[]).entries();
  return map ? Object.entries(value) : [[undefined, value]];
}
