import {
  fieldType,
  type FieldDescriptor,
  type FileDescriptor,
  jsonNameOf,
  label,
  maxFieldNumber,
  type MessageDescriptor,
} from '../descriptor.js';
import { type PendingOption, typeName } from './option-values.js';
import { defaultText } from './default-value.js';
import { parseEnum } from './parse-enum.js';
import type { Begin, ParseContext, Scope } from './parse-context.js';

/** How deep protoc lets messages nest. */
const deepest = 32;
const scalars = new Set(
  Object.keys(fieldType).filter((name) => name !== 'group' && name !== 'message' && name !== 'enum'),
);

/** Whether a name is that of a scalar type, which is never a message. */
export function isScalar(name: string): boolean {
  return scalars.has(name);
}

/** `message Name { … }` */
export function parseMessage(context: ParseContext, into: MessageDescriptor[], scope: Scope, begin: Begin): void {
  context.lexer.next();
  parseBody(
    context,
    newMessage(context, into, begin, context.lexer.identifier('the name of the message')),
    scope,
    begin,
  );
}

/** `extend Name { … }`, in a file or in a message. */
export function parseExtend(context: ParseContext, owner: FileDescriptor | MessageDescriptor, scope: Scope): void {
  const { lexer } = context;
  lexer.next();
  const extendee = typeName(lexer, 'the name of the message to extend');
  lexer.expect('{', `after extend ${extendee}`);
  const path = [...scope.path, 'field' in owner ? 6 : 7];
  while (!lexer.skip('}')) {
    if (!lexer.skip(';'))
      parseField(context, { into: owner.extension, owner, extendee }, { ...scope, path }, context.begin());
  }
}

function newMessage(context: ParseContext, into: MessageDescriptor[], begin: Begin, name: string): MessageDescriptor {
  const message: MessageDescriptor = {
    name,
    field: [],
    extension: [],
    nestedType: [],
    enumType: [],
    extensionRange: [],
    oneofDecl: [],
    reservedRange: [],
    reservedName: [],
  };
  context.offsets.set(message, begin.start);
  into.push(message);
  return message;
}

function parseBody(context: ParseContext, message: MessageDescriptor, outer: Scope, begin: Begin): void {
  const { lexer } = context;
  const scope: Scope = {
    name: outer.name ? `${outer.name}.${message.name}` : message.name,
    path: outer.path,
    depth: outer.depth + 1,
  };
  if (scope.depth > deepest) throw lexer.error('messages are nested too deeply');
  lexer.expect('{', `after message ${message.name}`);
  const end = context.comment(scope.path, begin);
  while (!lexer.skip('}')) {
    if (lexer.peek.kind === 'end') throw lexer.error(`message ${message.name} is not closed: a "}" is missing`);
    if (!lexer.skip(';')) parseStatement(context, message, scope);
  }
  end();
  addSyntheticOneofs(message);
}

function parseStatement(context: ParseContext, message: MessageDescriptor, scope: Scope): void {
  const begin = context.begin();
  switch (context.lexer.peek.text) {
    case 'message':
      return parseMessage(
        context,
        message.nestedType,
        { ...scope, path: [...scope.path, 3, message.nestedType.length] },
        begin,
      );
    case 'enum':
      return parseEnum(
        context,
        message.enumType,
        { ...scope, path: [...scope.path, 4, message.enumType.length] },
        begin,
      );
    case 'extend':
      return parseExtend(context, message, scope);
    case 'option':
      return context.optionStatement('MessageOptions', message, scope);
    case 'oneof':
      return parseOneof(context, message, scope, begin);
    case 'reserved':
      return context.reserved(message, () => context.range(1, maxFieldNumber, 1));
    case 'extensions':
      return parseExtensionRanges(context, message, scope);
    default:
      parseField(context, { into: message.field, owner: message }, { ...scope, path: [...scope.path, 2] }, begin);
  }
}

function parseOneof(context: ParseContext, message: MessageDescriptor, scope: Scope, begin: Begin): void {
  const { lexer } = context;
  lexer.next();
  const oneof: MessageDescriptor['oneofDecl'][number] = { name: lexer.identifier('the name of the oneof') };
  const oneofIndex = message.oneofDecl.push(oneof) - 1;
  context.offsets.set(oneof, begin.start);
  lexer.expect('{', `after oneof ${oneof.name}`);
  const end = context.comment([...scope.path, 8, oneofIndex], begin);
  const before = message.field.length;
  while (!lexer.skip('}')) {
    const { text } = lexer.peek;
    if (lexer.skip(';')) continue;
    if (text === 'option') context.optionStatement('OneofOptions', oneof, scope);
    else if (/^(optional|repeated|required|map)$/.test(text))
      throw lexer.error(`a field of a oneof cannot be "${text}": put it into a message of its own`);
    else
      parseField(
        context,
        { into: message.field, owner: message, oneofIndex },
        { ...scope, path: [...scope.path, 2] },
        context.begin(),
      );
  }
  end();
  if (message.field.length === before)
    throw lexer.error(`oneof ${oneof.name} has no fields: give it one, or leave it out`, begin.start);
}

function parseExtensionRanges(context: ParseContext, message: MessageDescriptor, scope: Scope): void {
  const { lexer } = context;
  if (context.proto3) throw lexer.error('proto3 has no extension ranges: use google.protobuf.Any');
  lexer.next();
  const ranges: MessageDescriptor['extensionRange'] = [];
  do ranges.push(context.range(1, maxFieldNumber, 1));
  while (lexer.skip(','));
  for (const option of context.optionList('ExtensionRangeOptions', {}, scope)) {
    for (const owner of ranges) context.pending.push({ ...option, owner });
  }
  message.extensionRange.push(...ranges);
  lexer.expect(';', 'after the ranges');
}

interface FieldPlace {
  readonly into: FieldDescriptor[];
  readonly owner: FileDescriptor | MessageDescriptor;
  readonly oneofIndex?: number;
  readonly extendee?: string;
}

function parseField(context: ParseContext, place: FieldPlace, scope: Scope, begin: Begin): void {
  const { lexer } = context;
  const field: FieldDescriptor = { name: '', number: 0, label: label.optional };
  if (place.extendee !== undefined) field.extendee = place.extendee;
  if (place.oneofIndex !== undefined) field.oneofIndex = place.oneofIndex;
  const labelled = place.oneofIndex === undefined && parseLabel(context, field);
  const start = lexer.peek;
  if (
    start.text === 'map' &&
    !labelled &&
    place.oneofIndex === undefined &&
    lexer.text
      .slice(start.end, start.end + 100)
      .trimStart()
      .startsWith('<')
  ) {
    return parseMapField(context, place, scope, begin);
  }
  const group = start.text === 'group' && context.proto2;
  if (group) lexer.next();
  else setType(field, typeName(lexer, 'a field, such as `string name = 1;`'));
  if (context.proto2 && !labelled && place.oneofIndex === undefined) {
    throw lexer.error(
      'a field in proto2 begins with "optional", "repeated" or "required": or is `syntax = "proto3";` missing on top?',
      start.start,
    );
  }
  const name = lexer.identifier(start.text === 'group' ? 'the name of the group' : 'the name of the field');
  field.name = group ? name.toLowerCase() : name;
  parseNumberAndOptions(context, field, scope, begin);
  place.into.push(field);
  const path = [...scope.path, place.into.length - 1];
  if (!group) {
    lexer.expect(';', `after field ${name}`);
    return void context.comment(path, begin);
  }
  field.type = fieldType.group;
  field.typeName = name;
  const [into, key] = 'field' in place.owner ? [place.owner.nestedType, 3] : [place.owner.messageType, 4];
  const message = newMessage(context, into, begin, name);
  parseBody(context, message, { ...scope, path: [...scope.path.slice(0, -1), key, into.length - 1] }, begin);
}

function parseLabel(context: ParseContext, field: FieldDescriptor): boolean {
  const { lexer } = context,
    { text } = lexer.peek;
  if (text !== 'optional' && text !== 'repeated' && text !== 'required') return false;
  if (context.file.edition !== undefined && text !== 'repeated') {
    throw lexer.error(`editions have no "${text}": leave it out, or use [features.field_presence = …]`);
  }
  if (text === 'required' && context.proto3) throw lexer.error('proto3 has no "required": leave it out');
  lexer.next();
  field.label = label[text];
  if (text === 'optional' && context.proto3) field.proto3Optional = true;
  return true;
}

function setType(field: FieldDescriptor, name: string): void {
  if (scalars.has(name)) field.type = fieldType[name as keyof typeof fieldType];
  else field.typeName = name;
}

/** A map is a repeated field of entries, whose message nobody writes down (protobuf.dev/programming-guides/proto3#backwards). */
function parseMapField(context: ParseContext, place: FieldPlace, scope: Scope, begin: Begin): void {
  const { lexer } = context;
  if (!('field' in place.owner) || place.extendee !== undefined)
    throw lexer.error('an extension cannot be a map: use a repeated message');
  lexer.next();
  lexer.expect('<', 'after map');
  const entry = newMessage(context, place.owner.nestedType, begin, '');
  const key: FieldDescriptor = { name: 'key', number: 1, label: label.optional, jsonName: 'key' };
  const value: FieldDescriptor = { name: 'value', number: 2, label: label.optional, jsonName: 'value' };
  const { start, text } = lexer.peek;
  setType(key, typeName(lexer, 'the type of the keys'));
  if (key.type === undefined || /^(double|float|bytes)$/.test(text))
    throw lexer.error(`keys of a map are strings, integers or bools, not ${text}`, start);
  lexer.expect(',', 'between the types of keys and values');
  context.offsets.set(value, lexer.peek.start);
  setType(value, typeName(lexer, 'the type of the values'));
  lexer.expect('>', 'after the type of the values');
  const field: FieldDescriptor = { name: lexer.identifier('the name of the field'), number: 0, label: label.repeated };
  entry.name = `${jsonNameOf(`_${field.name}`)}Entry`;
  entry.field.push(key, value);
  entry.options = { mapEntry: true };
  field.typeName = entry.name;
  parseNumberAndOptions(context, field, scope, begin);
  lexer.expect(';', `after field ${field.name}`);
  context.comment([...scope.path, place.into.push(field) - 1], begin);
}

/** `= 1 [options]` */
function parseNumberAndOptions(context: ParseContext, field: FieldDescriptor, scope: Scope, begin: Begin): void {
  const { lexer } = context;
  context.offsets.set(field, begin.start);
  field.jsonName = jsonNameOf(field.name);
  lexer.expect('=', `and a number after field ${field.name}`);
  const { start } = lexer.peek;
  field.number = context.integer('the number of a field', 1, maxFieldNumber);
  if (field.number >= 19_000 && field.number <= 19_999)
    throw lexer.error('numbers 19000 to 19999 belong to protobuf itself: choose another', start);
  for (const option of context.optionList('FieldOptions', field, scope)) {
    // Two that look like options but are not: they have places of their own in the descriptor.
    if (isNamed(option, 'json_name')) field.jsonName = jsonNameOption(context, option);
    else if (isNamed(option, 'default')) field.defaultValue = defaultText(context, field, option);
    else context.pending.push(option);
  }
}

function isNamed({ name }: PendingOption, text: string): boolean {
  return name.length === 1 && !name[0]!.extension && name[0]!.text === text;
}

function jsonNameOption({ lexer }: ParseContext, { value, offset }: PendingOption): string {
  if (value.kind !== 'string') throw lexer.error('json_name is a string', offset);
  return value.bytes.toString();
}

/** `optional` in proto3 is a oneof of one field, by a name that no other has. */
function addSyntheticOneofs(message: MessageDescriptor): void {
  if (!message.field.some(({ proto3Optional }) => proto3Optional)) return;
  const taken = new Set([...message.field, ...message.oneofDecl].map(({ name }) => name));
  for (const field of message.field) {
    if (!field.proto3Optional) continue;
    let name = field.name.startsWith('_') ? field.name : `_${field.name}`;
    while (taken.has(name)) name = `X${name}`;
    taken.add(name);
    field.oneofIndex = message.oneofDecl.push({ name }) - 1;
  }
}
