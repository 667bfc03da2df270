import {
  type EnumDescriptor,
  type FileDescriptor,
  type MessageDescriptor,
  type Options,
  type SourceLocation,
} from '../descriptor.js';
import { Lexer, splitComments } from './lexer.js';
import { type OptionsType, parseOption, type PendingOption } from './option-values.js';

/** Where a declaration stands. */
export interface Scope {
  /** Full name of the message or service around it, or the package. */
  readonly name: string;
  /** Path of its SourceCodeInfo.Location. */
  readonly path: readonly number[];
  readonly depth: number;
}

/** Where a declaration begins, and where what came before it ended: its comments are between. */
export interface Begin {
  readonly after: number;
  readonly start: number;
}

/** What one .proto file adds up to while it is read. */
export class ParseContext {
  readonly lexer: Lexer;
  readonly file: FileDescriptor;
  readonly pending: PendingOption[] = [];
  readonly offsets = new Map<object | string, number>();
  readonly #locations: SourceLocation[] = [];

  constructor(path: string, text: string) {
    this.lexer = new Lexer(path, text);
    this.file = {
      name: path,
      dependency: [],
      publicDependency: [],
      weakDependency: [],
      messageType: [],
      enumType: [],
      service: [],
      extension: [],
    };
  }

  get proto2(): boolean {
    return this.file.edition === undefined && this.file.syntax !== 'proto3';
  }

  get proto3(): boolean {
    return this.file.syntax === 'proto3';
  }

  get locations(): SourceLocation[] {
    return this.#locations;
  }

  /** Marks the token to come as the beginning of a declaration. */
  begin(): Begin {
    return { after: this.lexer.last.end, start: this.lexer.peek.start };
  }

  /** Keeps the comments of a declaration whose head ended with the token taken last. What is returned is to be called where its body ends. */
  comment(path: readonly number[], { after, start }: Begin): () => void {
    const { last, peek, text } = this.lexer;
    const before = splitComments(text.slice(after, start), { startsFile: after === 0 });
    const below = splitComments(text.slice(last.end, peek.start), {
      endsScope: peek.text === '}' || peek.kind === 'end',
    });
    if (before.leading === undefined && below.trailing === undefined && before.detached.length === 0)
      return () => undefined;
    const location: SourceLocation = {
      path: [...path],
      span: this.#span(start),
      leadingDetachedComments: before.detached,
    };
    if (before.leading !== undefined) location.leadingComments = before.leading;
    if (below.trailing !== undefined) location.trailingComments = below.trailing;
    this.#locations.push(location);
    return () => void (location.span = this.#span(start));
  }

  /** From an offset to the end of the token taken last, as SourceCodeInfo.Location has it: lines and columns from 0, a tab to the next eighth. */
  #span(start: number): number[] {
    const [from, to] = [start, this.lexer.last.end].map((offset) => {
      const [line, column] = this.lexer.position(offset);
      const columns = [...this.lexer.text.slice(offset - column, offset)].reduce(
        (at, char) => (char === '\t' ? at - (at % 8) + 8 : at + 1),
        0,
      );
      return [line, columns] as const;
    }) as [readonly [number, number], readonly [number, number]];
    return from[0] === to[0] ? [...from, to[1]] : [...from, ...to];
  }

  /** `option name = value;` */
  optionStatement(type: OptionsType, owner: { options?: Options }, scope: Scope): void {
    this.lexer.expect('option', 'or "}"');
    this.pending.push(parseOption(this.lexer, { type, owner, scope: scope.name }));
    this.lexer.expect(';', 'after the option');
  }

  /** `[name = value, …]`, if it is there. */
  optionList(type: OptionsType, owner: { options?: Options }, scope: Scope): PendingOption[] {
    const options: PendingOption[] = [];
    if (!this.lexer.skip('[')) return options;
    do options.push(parseOption(this.lexer, { type, owner, scope: scope.name }));
    while (this.lexer.skip(','));
    this.lexer.expect(']', 'after the options');
    return options;
  }

  integer(what: string, low: number, high: number): number {
    const { lexer } = this,
      { start } = lexer.peek;
    const negative = lexer.skip('-');
    if (lexer.peek.kind !== 'integer') throw lexer.unexpected(what);
    const { text } = lexer.next();
    const value = (negative ? -1 : 1) * (/^0[0-7]/.test(text) ? parseInt(text, 8) : Number(text));
    if (value < low || value > high) throw lexer.error(`${what} is from ${low} to ${high}, not ${value}`, start);
    return value;
  }

  /** `5`, `5 to 9` or `5 to max`; `open` is 1 where the end is not included in the descriptor. */
  range(low: number, high: number, open: number): { start: number; end: number } {
    const { lexer } = this,
      at = lexer.peek.start;
    const start = this.integer('a number', low, high);
    const end = !lexer.skip('to') ? start : lexer.skip('max') ? high : this.integer('a number or "max"', low, high);
    if (end < start) throw lexer.error(`the range ${start} to ${end} runs backwards`, at);
    return { start, end: end + open };
  }

  /** `reserved` numbers or names of a message (ends not included) or an enum (ends included). */
  reserved(into: MessageDescriptor | EnumDescriptor, range: () => { start: number; end: number }): void {
    const { lexer } = this;
    lexer.next();
    const names = lexer.peek.kind === 'string' || lexer.peek.kind === 'identifier';
    do {
      if (!names) into.reservedRange.push(range());
      else if (lexer.peek.kind === 'string') into.reservedName.push(lexer.next().text.slice(1, -1));
      else into.reservedName.push(lexer.identifier('a name'));
    } while (lexer.skip(','));
    lexer.expect(';', 'after what is reserved');
  }
}
