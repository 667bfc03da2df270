import { MicroError } from '@micro/errors';

export type TokenKind = 'identifier' | 'integer' | 'float' | 'string' | 'symbol' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As written; of a string, with its quotes. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Comments between two tokens, told apart as protoc does (google/protobuf/descriptor.proto, SourceCodeInfo.Location). */
export interface Comments {
  /** Belongs to the declaration that ends before. */
  trailing?: string;
  /** Belongs to the declaration that begins after. */
  leading?: string;
  readonly detached: string[];
}

const newline = 10,
  quotes = [34, 39],
  slash = 47,
  star = 42,
  dot = 46,
  backslash = 92;

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13) || code === 0xfeff;
const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isLetter = (code: number): boolean => (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95;

const number =
  /0[xX][0-9a-fA-F]+|[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+/y;

/** Words of a .proto file, one at a time, with one to look ahead. */
export class Lexer {
  readonly path: string;
  readonly text: string;
  /** The token to come. */
  peek: Token;
  /** The token that was taken last. */
  last: Token = { kind: 'symbol', text: '', start: 0, end: 0 };
  #lines: number[] | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    this.peek = this.#read(0);
  }

  next(): Token {
    this.last = this.peek;
    if (this.last.kind !== 'end') this.peek = this.#read(this.last.end);
    return this.last;
  }

  /** Takes the token if it is this one. */
  skip(text: string): boolean {
    if (this.peek.text !== text || this.peek.kind === 'string') return false;
    this.next();
    return true;
  }

  /** Takes a token that must be this one; `after` says where, for the reader of the error. */
  expect(text: string, after: string): Token {
    if (this.peek.text !== text || this.peek.kind === 'string') throw this.unexpected(`"${text}" ${after}`);
    return this.next();
  }

  identifier(what: string): string {
    if (this.peek.kind !== 'identifier') throw this.unexpected(what);
    return this.next().text;
  }

  /** What comes is not what must come. */
  unexpected(expected: string): MicroError {
    const found = this.peek.kind === 'end' ? 'the end of the file' : `"${this.peek.text}"`;
    return this.error(`expected ${expected}, found ${found}`);
  }

  /** An error at an offset, by default that of the token to come. */
  error(problem: string, offset = this.peek.start): MicroError {
    const [line, column] = this.position(offset);
    return new MicroError('invalid_argument', `${this.path}:${line + 1}:${column + 1}: ${problem}`);
  }

  /** Line and column of an offset, from 0. */
  position(offset: number): [line: number, column: number] {
    const lines = (this.#lines ??= lineStarts(this.text));
    let low = 0;
    for (let high = lines.length; high - low > 1;) {
      const middle = (low + high) >> 1;
      if (lines[middle]! <= offset) low = middle;
      else high = middle;
    }
    return [low, offset - lines[low]!];
  }

  // By character codes: regular expressions take several times as long while the process is young, and that is when protos are read.
  #read(from: number): Token {
    const { text } = this,
      start = this.#skipSpace(from);
    if (start >= text.length) return { kind: 'end', text: '', start, end: start };
    const code = text.charCodeAt(start);
    if (isLetter(code)) {
      let end = start + 1;
      for (let next = text.charCodeAt(end); isLetter(next) || isDigit(next);) next = text.charCodeAt(++end);
      return { kind: 'identifier', text: text.slice(start, end), start, end };
    }
    if (isDigit(code) || (code === dot && isDigit(text.charCodeAt(start + 1)))) return this.#number(start);
    if (quotes.includes(code)) return this.#string(start, code);
    if ('{}[]()<>=;:,.-+/'.includes(text[start]!)) return { kind: 'symbol', text: text[start]!, start, end: start + 1 };
    throw this.error(`unexpected character ${JSON.stringify(String.fromCodePoint(text.codePointAt(start)!))}`, start);
  }

  /** Where white space and comments end. */
  #skipSpace(from: number): number {
    const { text } = this;
    for (let at = from; ;) {
      const code = text.charCodeAt(at);
      if (isSpace(code)) {
        at++;
      } else if (code === slash && text.charCodeAt(at + 1) === slash) {
        const end = text.indexOf('\n', at);
        at = end < 0 ? text.length : end + 1;
      } else if (code === slash && text.charCodeAt(at + 1) === star) {
        const end = text.indexOf('*/', at + 2);
        if (end < 0) throw this.error('this comment does not end: close it with */', at);
        at = end + 2;
      } else {
        return at;
      }
    }
  }

  #number(start: number): Token {
    number.lastIndex = start;
    const text = number.exec(this.text)![0],
      end = start + text.length,
      next = this.text.charCodeAt(end);
    if (isLetter(next) || isDigit(next)) throw this.error('a name cannot begin with a digit', start);
    const kind = /^0[xX]|^[0-9]+$/.test(text) ? 'integer' : 'float';
    if (kind === 'integer' && /^0[0-9]*[89]/.test(text)) throw this.error(`${text} is not an octal number`, start);
    return { kind, text, start, end };
  }

  #string(start: number, close: number): Token {
    for (let at = start + 1; at < this.text.length; at++) {
      const code = this.text.charCodeAt(at);
      if (code === close) return { kind: 'string', text: this.text.slice(start, at + 1), start, end: at + 1 };
      if (code === newline) break;
      if (code === backslash) at++;
    }
    throw this.error('this string does not end on its line: close it', start);
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

const comment = /[ \t\r\f\v\uFEFF]*(?:\/\/([^\n]*\n?)|\/\*([^]*?)\*\/|(\n)|$)/y;

/**
 * Splits the text between two tokens into comments. On the line of the previous token: its own. A block right below it, set off by a blank
 * line from what follows: its own too. A block right above the next token: that token's. The rest is detached.
 */
export function splitComments(text: string, { startsFile = false, endsScope = false } = {}): Comments {
  const result: Comments = { detached: [] };
  if (!text.includes('/')) return result;
  let attachable = !startsFile,
    firstLine = !startsFile,
    buffer: string | undefined,
    inLines = false;
  const flush = (): void => {
    if (buffer === undefined) return;
    if (attachable) result.trailing = buffer;
    else result.detached.push(buffer);
    attachable = false;
    buffer = undefined;
  };
  let lineIsEmpty = true;
  for (comment.lastIndex = 0; comment.lastIndex < text.length;) {
    const [all, line, block] = comment.exec(text)!;
    if (line !== undefined) {
      if (!inLines) flush();
      buffer = (buffer ?? '') + line;
      inLines = true;
      if (firstLine) flush();
      firstLine = false;
      lineIsEmpty = true;
    } else if (block !== undefined) {
      flush();
      buffer = block.replace(/\n[ \t]*\*?/g, '\n');
      inLines = false;
      lineIsEmpty = false;
    } else if (all.endsWith('\n')) {
      if (firstLine) flush();
      else if (lineIsEmpty) {
        flush();
        attachable = false;
      }
      firstLine = false;
      lineIsEmpty = true;
    } else {
      break;
    }
  }
  // A block comment between two tokens of one line could be of either: protoc drops it.
  if (firstLine) return { detached: [] };
  if (endsScope) flush();
  if (buffer !== undefined) result.leading = buffer;
  return result;
}

/** A comment as people read it: without the stars of a doc block, the space after `//`, and blank lines around it. */
export function readableComment(comment: string | undefined): string {
  if (!comment) return '';
  const lines = comment
    .replace(/^\*+/, '')
    .split('\n')
    .map((line) => line.trimEnd().replace(/^ /, ''));
  return lines.join('\n').replace(/^\n+|\s+$/g, '');
}
