import { MicroError } from '@micro/errors';
import { describe, expect, it } from 'vitest';
import { parseSchema } from '../schema.js';
import { parseFile } from './parser.js';

function problem(source: string, files: Record<string, string> = {}): string {
  try {
    parseSchema({ ...files, 'x.proto': source });
  } catch (error) {
    expect(error).toBeInstanceOf(MicroError);
    expect(error).toMatchObject({ code: 'invalid_argument' });
    return (error as MicroError).detail;
  }
  return 'no problem';
}

const proto3 = (body: string): string => `syntax = "proto3";\npackage x;\n${body}`;

describe('errors name file, line and column, and what to do', () => {
  it.each([
    ['message M {\n  string name = 1\n}', 'x.proto:5:1: expected ";" after field name, found "}"'],
    ['message M {\n  string name;\n}', 'x.proto:4:14: expected "=" and a number after field name, found ";"'],
    ['message M {', 'x.proto:3:12: message M is not closed: a "}" is missing'],
    ['mesage M {}', 'x.proto:3:1: expected a message, enum, service, import, option or package, found "mesage"'],
    [
      'message M { strin name = 1; }',
      'x.proto:3:13: there is no message or enum strin: define it, import the file that does, or correct the name',
    ],
    ['message M { required string a = 1; }', 'x.proto:3:13: proto3 has no "required": leave it out'],
    ['message M { string a = 1; string b = 1; }', 'x.proto:3:27: M already uses number 1 for a: give b another'],
    [
      'message M { string a = 1; string a = 2; }',
      'x.proto:3:27: x.M.a is already defined in this file: choose another name',
    ],
    ['message M { string a = 0; }', 'x.proto:3:24: the number of a field is from 1 to 536870911, not 0'],
    ['message M { string a = 19000; }', 'numbers 19000 to 19999 belong to protobuf itself: choose another'],
    ['message M { reserved 1 to 5; string a = 3; }', 'x.proto:3:30: number 3 is reserved in M: give a another'],
    ['message M { reserved "a"; string a = 3; }', 'the name a is reserved in M: choose another'],
    ['message M { string foo_bar = 1; string fooBar = 2; }', 'fooBar and foo_bar are both fooBar in JSON: rename one'],
    [
      'message M { string a = 1 [json_name = "__proto__"]; }',
      'a cannot be __proto__ in JSON: choose another json_name',
    ],
    [
      'message M { map<float, string> m = 1; }',
      'x.proto:3:17: keys of a map are strings, integers or bools, not float',
    ],
    ['message M { repeated map<string, string> m = 1; }', 'expected'],
    [
      'message M { oneof o { repeated string a = 1; } }',
      'a field of a oneof cannot be "repeated": put it into a message of its own',
    ],
    ['message M { oneof o {} }', 'oneof o has no fields: give it one, or leave it out'],
    ['message M { string a = 1 [default = "x"]; }', 'proto3 has no default values of its own: leave "default" out'],
    ['enum E { A = 1; }', 'the first value of enum E has number 0 in proto3: add one such as E_UNSPECIFIED = 0'],
    ['enum E { A = 0; B = 0; }', 'B and A are both 0: change one, or set option allow_alias = true'],
    ['enum E {}', 'enum E has no values: give it one, with number 0'],
    ['enum E { A = 0; } enum F { A = 0; }', 'values of an enum share the names of what is around the enum'],
    [
      'service S { rpc Call(string) returns (M); } message M {}',
      'a method takes and returns messages, not string: wrap it in a message',
    ],
    [
      'service S { rpc Call(M) return (M); } message M {}',
      'expected "returns" and a type after rpc Call(…), found "return"',
    ],
    [
      'service S { rpc Call(M) returns (M) { option (google.api.http).get = "/"; } } message M {}',
      'import "google/api/annotations.proto"',
    ],
    ['message M { option nonsense = true; }', 'there is no option nonsense'],
    ['message M { string a = 1 [deprecated = 1]; }', 'deprecated: expected true or false'],
    ['message M { string a = 1 [deprecated = true, deprecated = true]; }', 'option deprecated is set twice'],
    [
      'message M { google.protobuf.Timestamp at = 1; }',
      'google.protobuf.Timestamp needs `import "google/protobuf/timestamp.proto";`',
    ],
    ['import "y.proto";', 'x.proto:3:8: imports y.proto, which is not among the files'],
    ['import "x.proto";', 'x.proto:3:8: x.proto and this file import each other'],
    ['message M { string a = 1 [json_name = "a" }', 'expected "]" after the options'],
    ['message 1M {}', 'a name cannot begin with a digit'],
    ['message M { string a = 089; }', '089 is not an octal number'],
    ['option java_package = "open;\n', 'x.proto:3:23: this string does not end on its line: close it'],
    ['/* open', 'this comment does not end: close it with */'],
    ['message M { § }', 'unexpected character "§"'],
    ['package y;', 'a file has one package'],
  ])('%s', (body, expected) => expect(problem(proto3(body))).toContain(expected));

  it('tells proto2 from a forgotten syntax', () => {
    expect(problem('message M {\n  string a = 1;\n}')).toBe(
      'x.proto:2:3: a field in proto2 begins with "optional", "repeated" or "required": or is `syntax = "proto3";` missing on top?',
    );
    expect(problem('syntax = "proto4";')).toContain('syntax "proto4" is not known: use "proto3"');
    expect(problem('edition = "2024";')).toContain('edition "2024" is not supported');
  });

  it('tells which import is missing for a type that is there', () => {
    const files = { 'y.proto': 'syntax = "proto3"; package y; message Y {}' };
    expect(problem(proto3('message M { y.Y a = 1; }'), files)).toBe(
      'x.proto:3:13: y.Y is in y.proto: add `import "y.proto";`',
    );
    expect(problem(proto3('import "y.proto"; message M { y.Y a = 1; }'), files)).toBe('no problem');
  });

  it('follows public imports only', () => {
    const files = {
      'z.proto': 'syntax = "proto3"; message Z {}',
      'public.proto': 'syntax = "proto3"; import public "z.proto";',
      'private.proto': 'syntax = "proto3"; import "z.proto"; message P { Z z = 1; }',
    };
    expect(problem(proto3('import "public.proto"; message M { Z z = 1; }'), files)).toBe('no problem');
    expect(problem(proto3('import "private.proto"; message M { Z z = 1; }'), files)).toContain('Z is in z.proto');
  });

  it('looks for names as C++ does: the innermost scope that has the first part decides', () => {
    expect(problem(proto3('message A { message B { message A { } A.C c = 1; } message C {} } message C {}'))).toBe(
      'x.proto:3:39: A.C begins with the name of something nearer: write .x.A.C',
    );
    expect(problem(proto3('message A { message B { A.C c = 1; } message C {} }'))).toBe('no problem');
    expect(problem(proto3('message A { message B { .x.A.C c = 1; } message C {} }'))).toBe('no problem');
  });
});

describe('what is read', () => {
  it('reads comments as protoc attaches them', () => {
    const { file } = parseFile(
      'x.proto',
      `// Licence.

syntax = "proto3"; // of syntax

// Detached.

// Leading,
// in two lines.
message M { // of M
  // Of M too, were it not for the other.

  /* A block
   * with stars. */
  string a = 1; // trailing a

  string b = 2;
  // Trailing b, in the next line.

  // Of nothing: the end comes.
}
`,
    );
    const comments = Object.fromEntries(
      file.sourceCodeInfo!.location.map(({ path, leadingComments, trailingComments, leadingDetachedComments }) => [
        path.join('.'),
        [leadingComments, trailingComments, leadingDetachedComments],
      ]),
    );
    expect(comments).toEqual({
      12: [undefined, ' of syntax\n', [' Licence.\n']],
      '4.0': [' Leading,\n in two lines.\n', ' of M\n', [' Detached.\n']],
      '4.0.2.0': [' A block\n with stars. ', ' trailing a\n', [' Of M too, were it not for the other.\n']],
      '4.0.2.1': [undefined, ' Trailing b, in the next line.\n', []],
    });
  });

  it('reads every escape of a string, and strings in a row', () => {
    const schema = parseSchema({
      'x.proto': String.raw`syntax = "proto2"; message M { optional bytes b = 1 [default = "\x41\102\n\"" 'C\u00e9\U0001F600']; }`,
    });
    const field = schema.decodeFile(schema.files().get('x.proto')!).messageType[0]!.field[0]!;
    expect(field.defaultValue).toBe(String.raw`AB\n\"C\303\251\360\237\230\200`);
  });

  it('lets keywords be names', () => {
    expect(
      problem(
        proto3(
          'message message { string string = 1; } message M { string optional = 1; string reserved = 2; string map = 3; string package = 4; } enum E { option = 0; reserved = 1; }',
        ),
      ),
    ).toBe('no problem');
  });

  it('reads numbers of any base, ranges and negative enum values', () => {
    const schema = parseSchema({
      'x.proto': proto3(
        'message M { reserved 0x10 to 020, 100 to max; string a = 017; } enum E { A = 0; B = -0x1; reserved -5 to -2; }',
      ),
    });
    const { messageType, enumType } = schema.decodeFile(schema.files().get('x.proto')!);
    expect(messageType[0]).toMatchObject({
      reservedRange: [
        { start: 16, end: 17 },
        { start: 100, end: 536870912 },
      ],
      field: [{ number: 15 }],
    });
    expect(enumType[0]).toMatchObject({
      value: [{ number: 0 }, { number: -1 }],
      reservedRange: [{ start: -5, end: -2 }],
    });
  });

  it('refuses what nests without end', () => {
    expect(problem(proto3('message M {'.repeat(40)))).toContain('nested too deeply');
    expect(problem(proto3(`option (x) = ${'{a:'.repeat(200)}`))).toContain('nested too deeply');
  });
});
