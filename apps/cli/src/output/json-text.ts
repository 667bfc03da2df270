import { randomUUID } from 'node:crypto';
import type { JsonValue } from '@micro/proto';

/** JSON.stringify that writes bigint, as which parseJson gives integers that a number would round, as the digits that it was. */
export function jsonText(value: JsonValue, indent?: number): string {
  let mark: string | undefined;
  const marked = (_name: string, part: unknown) => {
    if (typeof part !== 'bigint') return part;
    mark ??= randomUUID();
    return `${mark}${part}`;
  };
  const text = JSON.stringify(value, marked, indent);
  return mark === undefined ? text : text.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1');
}
