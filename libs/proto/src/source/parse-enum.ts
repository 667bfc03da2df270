import type { EnumDescriptor } from '../descriptor.js';
import type { Begin, ParseContext, Scope } from './parse-context.js';

const lowest = -(2 ** 31);
const highest = 2 ** 31 - 1;

/** `enum Name { … }` */
export function parseEnum(context: ParseContext, into: EnumDescriptor[], scope: Scope, begin: Begin): void {
  const { lexer } = context;
  lexer.next();
  const to: EnumDescriptor = {
    name: lexer.identifier('the name of the enum'),
    value: [],
    reservedRange: [],
    reservedName: [],
  };
  context.offsets.set(to, begin.start);
  into.push(to);
  lexer.expect('{', `after enum ${to.name}`);
  const end = context.comment(scope.path, begin);
  while (!lexer.skip('}')) {
    if (lexer.skip(';')) continue;
    if (isKeyword(context, 'option')) context.optionStatement('EnumOptions', to, scope);
    else if (isKeyword(context, 'reserved')) context.reserved(to, () => context.range(lowest, highest, 0));
    else parseValue(context, to, scope);
  }
  end();
  if (to.value.length === 0)
    throw lexer.error(`enum ${to.name} has no values: give it one, with number 0`, begin.start);
}

/** Whether a keyword comes, and not a value that is named like it. */
function isKeyword({ lexer }: ParseContext, keyword: string): boolean {
  return (
    lexer.peek.text === keyword &&
    !lexer.text
      .slice(lexer.peek.end, lexer.peek.end + 100)
      .trimStart()
      .startsWith('=')
  );
}

function parseValue(context: ParseContext, to: EnumDescriptor, scope: Scope): void {
  const { lexer } = context,
    begin = context.begin();
  const value: EnumDescriptor['value'][number] = { name: lexer.identifier('a value of the enum'), number: 0 };
  context.offsets.set(value, begin.start);
  lexer.expect('=', `and a number after ${value.name}`);
  value.number = context.integer('the number of a value', lowest, highest);
  context.pending.push(...context.optionList('EnumValueOptions', value, scope));
  lexer.expect(';', `after ${value.name}`);
  context.comment([...scope.path, 2, to.value.push(value) - 1], begin);
}
