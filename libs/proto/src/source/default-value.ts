import { fieldType, type FieldDescriptor } from '../descriptor.js';
import type { PendingOption } from './option-values.js';
import type { ParseContext } from './parse-context.js';

/** `default_value` as descriptors have it: numbers in decimal, bytes C-escaped, strings as they are. */
export function defaultText(
  { lexer, proto3 }: ParseContext,
  field: FieldDescriptor,
  { value, offset }: PendingOption,
): string {
  if (proto3) throw lexer.error('proto3 has no default values of its own: leave "default" out', offset);
  if (value.kind === 'string') return field.type === fieldType.bytes ? cEscape(value.bytes) : value.bytes.toString();
  if (value.kind === 'identifier') return value.text;
  if (value.kind === 'number') return numberText(value.text, field.type);
  throw lexer.error('a default is one value', offset);
}

/** An integer of any base, exactly. */
export function integerOf(text: string): bigint {
  const negative = text.startsWith('-');
  const digits = negative ? text.slice(1) : text;
  const value = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits.toLowerCase());
  return negative ? -value : value;
}

function numberText(text: string, type: number | undefined): string {
  if (/^-?(inf|nan)/i.test(text)) return text.toLowerCase();
  if (type !== fieldType.double && type !== fieldType.float) return String(integerOf(text));
  const value = /^-?[0-9]+$|^-?0x/i.test(text) ? Number(integerOf(text)) : Number(text);
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return type === fieldType.float
    ? shortest(Math.fround(value), [6, 9], Math.fround)
    : shortest(value, [15, 17], Number);
}

/** As protoc writes numbers: C's `%g` with the first precision that reads back as the same number. */
function shortest(value: number, [few, many]: readonly [number, number], read: (value: number) => number): string {
  const digits = read(Number(value.toPrecision(few))) === value ? few : many;
  const [mantissa = '', exponent = '0'] = value.toExponential(digits - 1).split('e');
  const power = Number(exponent);
  if (power >= -4 && power < digits) return String(Number(value.toPrecision(digits)));
  const plain = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  return `${plain}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function cEscape(bytes: Buffer): string {
  const named: Readonly<Record<number, string>> = { 10: '\\n', 13: '\\r', 9: '\\t', 34: '\\"', 39: "\\'", 92: '\\\\' };
  return Array.from(bytes, (byte) => {
    const printable = byte >= 0x20 && byte < 0x7f;
    return named[byte] ?? (printable ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`);
  }).join('');
}
