import protobuf from 'protobufjs';

export interface GenerateOptions {
  /** Module that the generated file imports from. Default `@micro/service`. */
  readonly runtime?: string;
}

const scalars: Readonly<Record<string, string>> = {
  double: 'number', float: 'number', int32: 'number', sint32: 'number', uint32: 'number', fixed32: 'number', sfixed32: 'number',
  int64: 'bigint', sint64: 'bigint', uint64: 'bigint', fixed64: 'bigint', sfixed64: 'bigint',
  bool: 'boolean', string: 'string', bytes: 'Uint8Array',
};

/** TypeScript of one .proto file. */
export function generate(source: { readonly path: string; readonly text: string }, options: GenerateOptions = {}): string {
  const root = new protobuf.Root();
  protobuf.parse(source.text, root, { keepCase: true, alternateCommentMode: true });
  root.resolveAll();
  const body: string[] = [];
  const kinds = new Set<string>();
  const visit = (ns: protobuf.NamespaceBase): void => {
    for (const nested of ns.nestedArray) {
      if (nested instanceof protobuf.Enum) body.push(enumOf(nested));
      else if (nested instanceof protobuf.Service) body.push(serviceOf(nested, kinds));
      else if (nested instanceof protobuf.Type) {
        if (nested.options?.['map_entry']) continue;
        body.push(messageOf(nested));
        visit(nested);
      } else if (nested instanceof protobuf.Namespace) visit(nested);
    }
  };
  visit(root);
  const name = source.path.split('/').at(-1)!;
  const imports = ['parseSchema', ...[...kinds].sort().map((kind) => `type ${kind}`)].join(', ');
  return [
    `// Generated from ${source.path} by \`micro gen\`. Do not edit: change the .proto and generate again.`,
    `import { ${imports} } from '${options.runtime ?? '@micro/service'}';`,
    '',
    'const schema = parseSchema({',
    `  '${name}': \`${source.text.replace(/[\\`]|\$\{/g, '\\$&')}\`,`,
    '});',
    '',
    body.join('\n\n'),
    '',
  ].join('\n');
}

const typeName = (object: protobuf.ReflectionObject): string =>
  object.parent instanceof protobuf.Type ? `${typeName(object.parent)}_${object.name}` : object.name;

function doc(comment: string | null | undefined, indent = ''): string {
  if (!comment) return '';
  const lines = comment.replaceAll('*/', '*\\/').split('\n');
  return lines.length === 1 ? `${indent}/** ${lines[0]} */\n` : `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`;
}

function enumOf(from: protobuf.Enum): string {
  const name = typeName(from);
  const values = Object.entries(from.values).map(([key, value]) => `${doc(from.comments[key], '  ')}  ${key}: ${value},`);
  return `${doc(from.comment)}export const ${name} = {\n${values.join('\n')}\n} as const;\nexport type ${name} = (typeof ${name})[keyof typeof ${name}] | (number & {});`;
}

function messageOf(from: protobuf.Type): string {
  const fields = from.fieldsArray.map((field) => {
    field.resolve();
    const one = field.resolvedType ? typeName(field.resolvedType) : scalars[field.type]!;
    const optional = !field.repeated && !field.map && (field.partOf || field.resolvedType instanceof protobuf.Type);
    const type = field.map ? `{ [key: string]: ${one} }` : field.repeated ? `${one}[]` : one;
    return `${doc(field.comment, '  ')}  ${field.name.replace(/_+(.)/g, (_, next: string) => next.toUpperCase())}${optional ? '?' : ''}: ${type};`;
  });
  return `${doc(from.comment)}export interface ${typeName(from)} {${fields.length === 0 ? '' : `\n${fields.join('\n')}\n`}}`;
}

function serviceOf(from: protobuf.Service, kinds: Set<string>): string {
  const methods = from.methodsArray.map((method) => {
    method.resolve();
    const kind = method.requestStream ? (method.responseStream ? 'BidiStream' : 'ClientStream') : method.responseStream ? 'ServerStream' : 'Unary';
    kinds.add(kind);
    return `${doc(method.comment, '  ')}  ${method.name[0]!.toLowerCase()}${method.name.slice(1)}: ${kind}<${typeName(method.resolvedRequestType!)}, ${typeName(method.resolvedResponseType!)}>;`;
  });
  return `${doc(from.comment)}export const ${from.name} = schema.service<{\n${methods.join('\n')}\n}>('${from.fullName.slice(1)}');`;
}
