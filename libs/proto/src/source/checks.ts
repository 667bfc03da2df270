import { type EnumDescriptor, fieldType, type FieldDescriptor, label, type MessageDescriptor } from '../descriptor.js';
import type { LinkedFile, Pool } from './pool.js';

/** What protoc refuses, and would make messages that cannot be told apart. Throws MicroError `invalid_argument`. */
export function checkFile(pool: Pool, linked: LinkedFile): void {
  const { file } = linked;
  for (const message of file.messageType) checkMessage(pool, linked, message);
  for (const one of file.enumType) checkEnum(linked, one);
  for (const extension of file.extension) checkExtension(pool, linked, extension);
}

function checkMessage(pool: Pool, linked: LinkedFile, message: MessageDescriptor): void {
  const numbers = new Map<number, string>(),
    jsonNames = new Map<string, string>();
  const legacy = linked.file.syntax !== 'proto3';
  for (const field of message.field) {
    const other = numbers.get(field.number);
    if (other !== undefined)
      throw linked.error(
        `${message.name} already uses number ${field.number} for ${other}: give ${field.name} another`,
        field,
      );
    numbers.set(field.number, field.name);
    if (message.reservedRange.some(({ start, end }) => field.number >= start && field.number < end)) {
      throw linked.error(`number ${field.number} is reserved in ${message.name}: give ${field.name} another`, field);
    }
    if (message.extensionRange.some(({ start, end }) => field.number >= start && field.number < end)) {
      throw linked.error(
        `number ${field.number} is kept for extensions of ${message.name}: give ${field.name} another`,
        field,
      );
    }
    if (message.reservedName.includes(field.name))
      throw linked.error(`the name ${field.name} is reserved in ${message.name}: choose another`, field);
    const same = jsonNames.get(field.jsonName!);
    if (same !== undefined && !legacy)
      throw linked.error(`${field.name} and ${same} are both ${field.jsonName} in JSON: rename one`, field);
    jsonNames.set(field.jsonName!, field.name);
    checkField(pool, linked, field);
  }
  for (const extension of message.extension) checkExtension(pool, linked, extension);
  for (const nested of message.nestedType) checkMessage(pool, linked, nested);
  for (const nested of message.enumType) checkEnum(linked, nested);
}

function checkField(pool: Pool, linked: LinkedFile, field: FieldDescriptor): void {
  if (!(field.number >= 1 && field.number <= 536_870_911))
    throw linked.error(`${field.name} has number ${field.number}: numbers are from 1 to 536870911`, field);
  if (field.jsonName === '__proto__')
    throw linked.error(`${field.name} cannot be __proto__ in JSON: choose another json_name`, field);
  if (field.jsonName!.includes('\0')) throw linked.error(`the json_name of ${field.name} has a zero character`, field);
  if (field.type === fieldType.enum && linked.file.syntax === 'proto3' && field.label !== label.repeated) {
    const symbol = pool.find(field.typeName!.slice(1));
    if (symbol?.kind === 'enum' && symbol.file.file.syntax !== 'proto3' && symbol.file.file.edition === undefined) {
      throw linked.error(
        `${field.name} is of a proto2 enum, which proto3 cannot use: move the enum to a proto3 file`,
        field,
      );
    }
  }
  if (field.defaultValue !== undefined) checkDefault(pool, linked, field);
}

function checkDefault(pool: Pool, linked: LinkedFile, field: FieldDescriptor): void {
  const { defaultValue: text, type } = field;
  if (field.label === label.repeated || type === fieldType.message || type === fieldType.group) {
    throw linked.error(`${field.name} cannot have a default: only single scalars and enums have one`, field);
  }
  if (type === fieldType.enum) {
    const symbol = pool.find(field.typeName!.slice(1));
    if (symbol?.kind === 'enum' && !symbol.descriptor.value.some(({ name }) => name === text)) {
      throw linked.error(
        `${text} is not a value of ${symbol.descriptor.name}, so it cannot be the default of ${field.name}`,
        field,
      );
    }
  } else if (type === fieldType.bool) {
    if (text !== 'true' && text !== 'false')
      throw linked.error(`the default of ${field.name} is true or false, not ${text}`, field);
  } else if (type !== fieldType.string && type !== fieldType.bytes && !/^-?([0-9]|inf|nan)/.test(text!)) {
    throw linked.error(`the default of ${field.name} is a number, not ${text}`, field);
  }
}

function checkExtension(pool: Pool, linked: LinkedFile, field: FieldDescriptor): void {
  const extendee = pool.find(field.extendee!.slice(1));
  if (extendee?.kind !== 'message')
    throw linked.error(`${field.extendee} is not a message that can be extended`, field);
  const inRange = extendee.descriptor.extensionRange.some(
    ({ start, end }) => field.number >= start && field.number < end,
  );
  if (!inRange) throw linked.error(`${extendee.descriptor.name} keeps no number ${field.number} for extensions`, field);
  const others = pool.extensions.get(field.extendee!.slice(1)) ?? [];
  const other = others.find(({ descriptor }) => descriptor !== field && descriptor.number === field.number);
  if (other)
    throw linked.error(
      `${extendee.descriptor.name} is already extended with number ${field.number} by ${other.descriptor.name}`,
      field,
    );
}

function checkEnum(linked: LinkedFile, one: EnumDescriptor): void {
  const first = one.value[0];
  if (linked.file.syntax === 'proto3' && first?.number !== 0) {
    throw linked.error(
      `the first value of enum ${one.name} has number 0 in proto3: add one such as ${one.name.toUpperCase()}_UNSPECIFIED = 0`,
      first ?? one,
    );
  }
  const numbers = new Map<number, string>();
  for (const value of one.value) {
    const other = numbers.get(value.number);
    if (other !== undefined && one.options?.['allowAlias'] !== true) {
      throw linked.error(
        `${value.name} and ${other} are both ${value.number}: change one, or set option allow_alias = true`,
        value,
      );
    }
    numbers.set(value.number, value.name);
    if (one.reservedRange.some(({ start, end }) => value.number >= start && value.number <= end)) {
      throw linked.error(`number ${value.number} is reserved in ${one.name}: give ${value.name} another`, value);
    }
    if (one.reservedName.includes(value.name))
      throw linked.error(`the name ${value.name} is reserved in ${one.name}: choose another`, value);
  }
}
