import { edition, type FileDescriptor } from '../descriptor.js';
import type { Lexer } from './lexer.js';
import { type PendingOption, stringValue, typeName } from './option-values.js';
import { type Begin, ParseContext, type Scope } from './parse-context.js';
import { parseEnum } from './parse-enum.js';
import { parseExtend, parseMessage } from './parse-message.js';
import { parseService } from './parse-service.js';

/** One .proto file, read by itself: its descriptor with types unresolved, and what can only be understood with its imports. */
export interface ParsedFile {
  readonly file: FileDescriptor;
  readonly pending: readonly PendingOption[];
  readonly lexer: Lexer;
  /** Where a descriptor was declared, or a path imported, for errors that only show later. */
  readonly offsets: ReadonlyMap<object | string, number>;
}

/** Reads a .proto file: proto2, proto3 or edition 2023. Throws MicroError `invalid_argument` that begins with file, line and column. */
export function parseFile(path: string, text: string): ParsedFile {
  const context = new ParseContext(path, text);
  const { lexer, file, pending, offsets, locations } = context;
  parseSyntax(context);
  while (lexer.peek.kind !== 'end') {
    if (!lexer.skip(';')) parseStatement(context);
  }
  if (locations.length > 0) file.sourceCodeInfo = { location: locations };
  return { file, pending, lexer, offsets };
}

function parseSyntax(context: ParseContext): void {
  const { lexer, file } = context,
    begin = context.begin(),
    keyword = lexer.peek.text;
  if (keyword !== 'syntax' && keyword !== 'edition') return;
  lexer.next();
  lexer.expect('=', `after ${keyword}`);
  const { start } = lexer.peek;
  const value = stringValue(lexer, keyword === 'syntax' ? '"proto3"' : '"2023"').toString();
  if (keyword === 'edition') {
    if (value !== '2023')
      throw lexer.error(`edition "${value}" is not supported: use edition = "2023" or syntax = "proto3"`, start);
    file.syntax = 'editions';
    file.edition = edition[2023];
  } else if (value === 'proto3') {
    file.syntax = value;
  } else if (value !== 'proto2') {
    throw lexer.error(`syntax "${value}" is not known: use "proto3"`, start);
  }
  lexer.expect(';', `after the ${keyword}`);
  context.comment([keyword === 'syntax' ? 12 : 14], begin);
}

function parseStatement(context: ParseContext): void {
  const { lexer, file } = context,
    begin = context.begin();
  const scope: Scope = { name: file.package ?? '', path: [], depth: 0 };
  switch (lexer.peek.text) {
    case 'package':
      return parsePackage(context, begin);
    case 'import':
      return parseImport(context, begin);
    case 'option':
      return context.optionStatement('FileOptions', file, scope);
    case 'message':
      return parseMessage(context, file.messageType, { ...scope, path: [4, file.messageType.length] }, begin);
    case 'enum':
      return parseEnum(context, file.enumType, { ...scope, path: [5, file.enumType.length] }, begin);
    case 'service':
      return parseService(context, scope, begin);
    case 'extend':
      return parseExtend(context, file, scope);
    case 'syntax':
    case 'edition':
      throw lexer.error(`the ${lexer.peek.text} comes first in a file, and once`);
    default:
      throw lexer.unexpected('a message, enum, service, import, option or package');
  }
}

function parsePackage(context: ParseContext, begin: Begin): void {
  const { lexer, file } = context;
  if (file.package !== undefined) throw lexer.error('a file has one package');
  if ([...context.offsets.keys()].some((declared) => typeof declared === 'object'))
    throw lexer.error('the package comes before the declarations');
  lexer.next();
  file.package = typeName(lexer, 'the name of the package');
  lexer.expect(';', 'after the package');
  context.comment([2], begin);
}

function parseImport(context: ParseContext, begin: Begin): void {
  const { lexer, file } = context;
  lexer.next();
  if (lexer.skip('public')) file.publicDependency.push(file.dependency.length);
  else if (lexer.skip('weak')) file.weakDependency.push(file.dependency.length);
  const { start } = lexer.peek;
  const path = stringValue(lexer, 'the path of a .proto file, in quotes').toString();
  if (file.dependency.includes(path)) throw lexer.error(`${path} is imported twice`, start);
  context.offsets.set(path, start);
  lexer.expect(';', 'after the import');
  context.comment([3, file.dependency.push(path) - 1], begin);
}
