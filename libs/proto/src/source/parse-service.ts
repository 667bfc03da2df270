import type { MethodDescriptor, ServiceDescriptor } from '../descriptor.js';
import { typeName } from './option-values.js';
import type { Begin, ParseContext, Scope } from './parse-context.js';
import { isScalar } from './parse-message.js';

/** `service Name { … }` */
export function parseService(context: ParseContext, outer: Scope, begin: Begin): void {
  const { lexer, file } = context;
  lexer.next();
  const service: ServiceDescriptor = { name: lexer.identifier('the name of the service'), method: [] };
  context.offsets.set(service, begin.start);
  const path = [6, file.service.push(service) - 1];
  const scope: Scope = { name: outer.name ? `${outer.name}.${service.name}` : service.name, path, depth: 1 };
  lexer.expect('{', `after service ${service.name}`);
  const end = context.comment(path, begin);
  while (!lexer.skip('}')) {
    if (lexer.skip(';')) continue;
    if (lexer.peek.text === 'option') context.optionStatement('ServiceOptions', service, scope);
    else parseMethod(context, service, scope);
  }
  end();
}

function parseMethod(context: ParseContext, service: ServiceDescriptor, scope: Scope): void {
  const { lexer } = context,
    begin = context.begin();
  lexer.expect('rpc', `before a method of service ${service.name}, or "}" after the last`);
  const method: MethodDescriptor = { name: lexer.identifier('the name of the method'), inputType: '', outputType: '' };
  context.offsets.set(method, begin.start);
  const path = [...scope.path, 2, service.method.push(method) - 1];
  const input = parseMethodType(context, method.name);
  lexer.expect('returns', `and a type after rpc ${method.name}(…)`);
  const output = parseMethodType(context, method.name);
  method.inputType = input.name;
  method.outputType = output.name;
  if (input.stream) method.clientStreaming = true;
  if (output.stream) method.serverStreaming = true;
  if (!lexer.skip('{')) {
    lexer.expect(';', `or "{" after rpc ${method.name}`);
    return void context.comment(path, begin);
  }
  const end = context.comment(path, begin);
  while (!lexer.skip('}')) {
    if (!lexer.skip(';')) context.optionStatement('MethodOptions', method, scope);
  }
  end();
}

function parseMethodType({ lexer }: ParseContext, method: string): { name: string; stream: boolean } {
  lexer.expect('(', `and a message type in rpc ${method}`);
  const first = lexer.peek;
  let name = typeName(lexer, 'the name of a message');
  const stream = name === 'stream' && lexer.peek.text !== ')';
  if (stream) name = typeName(lexer, 'the name of a message');
  if (isScalar(name))
    throw lexer.error(`a method takes and returns messages, not ${name}: wrap it in a message`, first.start);
  lexer.expect(')', `after ${name}`);
  return { name, stream };
}
