import type { Options, ParseOptions, ParserConfig } from '@swc/core';
import { MicroError } from '@micro/errors';

/** How the files of a package are modules: as its package.json says, else as Node would find out. */
export type ModuleFormat = 'es6' | 'commonjs';

/** One module that a file refers to by a literal. */
export interface Reference {
  readonly specifier: string;
  /** `url` is `new URL('./x', import.meta.url)`: a worker, or a file to be read. */
  readonly kind: 'import' | 'dynamic' | 'require' | 'url';
  /** Bytes of the specifier, quotes included. */
  readonly start: number;
  readonly end: number;
  readonly hasAttributes: boolean;
}

export interface Compiled {
  readonly code: string;
  /** What is left to be resolved: imports of nothing but types are gone. */
  readonly references: readonly Reference[];
}

/**
 * One file as JavaScript that Node 20 runs, decorator metadata kept, with an inline source map. MicroError `failed_precondition` with file, line and
 * the code around it for what is no TypeScript or JavaScript.
 */
export async function compile(path: string, text: string, format: ModuleFormat): Promise<Compiled> {
  const swc = await import('@swc/core').catch((cause: unknown) => {
    throw new MicroError('internal', 'the TypeScript compiler @swc/core cannot be loaded on this machine', { cause });
  });
  try {
    const { code } = await swc.transform(text, optionsOf(path, format));
    const parse: ParseOptions = { syntax: 'ecmascript', target: 'es2022', importAttributes: true } as ParseOptions;
    const program = await swc.parse(code, { ...parse, isModule: format === 'es6' } as never);
    return { code, references: referencesOf(program) };
  } catch (cause) {
    if (cause instanceof MicroError) throw cause;
    // Behind the code frame SWC shows its own stack.
    const [frame = ''] = String((cause as Error).message).split(/\n\s*\nCaused by:/);
    throw new MicroError('failed_precondition', frame.trimEnd(), { id: 'runtime', cause });
  }
}

/** The same code with other specifiers, from a function of the reference; undefined leaves one as it is. */
export function replaceSpecifiers(compiled: Compiled, specifier: (reference: Reference) => string | undefined): string {
  const bytes = Buffer.from(compiled.code);
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const reference of [...compiled.references].sort((a, b) => a.start - b.start)) {
    const text = specifier(reference);
    if (text === undefined) continue;
    const json =
      reference.kind === 'import' && text.endsWith('.json') && !reference.hasAttributes ? ' with { type: "json" }' : '';
    parts.push(bytes.subarray(from, reference.start), Buffer.from(JSON.stringify(text) + json));
    from = reference.end;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]).toString();
}

/** Kept in step with the options that Micro itself is built with. */
function optionsOf(path: string, format: ModuleFormat): Options {
  const typescript = /\.[mc]?tsx?$/.test(path);
  const parser = typescript
    ? { syntax: 'typescript', decorators: true, dynamicImport: true, tsx: path.endsWith('x') }
    : { syntax: 'ecmascript', decorators: true, jsx: true, importAttributes: true };
  return {
    filename: path,
    swcrc: false,
    configFile: false,
    isModule: typescript ? true : 'unknown',
    sourceMaps: 'inline',
    jsc: {
      target: 'es2022',
      parser: parser as ParserConfig,
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      keepClassNames: true,
      experimental: { keepImportAttributes: true },
    },
    // import() stays what it is: CommonJS has no other way to an ES module.
    module: format === 'commonjs' ? { type: 'commonjs', ignoreDynamic: true } : { type: 'es6' },
  };
}

interface AstNode {
  readonly type?: string;
  readonly [key: string]: unknown;
}

/** SWC counts bytes from 1. */
interface Literal {
  readonly type: string;
  readonly value: string;
  readonly span: { readonly start: number; readonly end: number };
}

function referencesOf(program: unknown): Reference[] {
  const found: Reference[] = [];
  const add = (literal: unknown, kind: Reference['kind'], attributes?: unknown) => {
    const { type, value, span } = (literal ?? {}) as Literal;
    if (type !== 'StringLiteral') return;
    found.push({
      specifier: value,
      kind,
      start: span.start - 1,
      end: span.end - 1,
      hasAttributes: Boolean(attributes),
    });
  };
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== 'object' || node === null) return;
    const one = node as AstNode;
    switch (one.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
      case 'ExportNamedDeclaration':
        add(one['source'], 'import', one['with'] ?? one['asserts']);
        break;
      case 'CallExpression': {
        const { type, value } = one['callee'] as AstNode;
        const argument = (one['arguments'] as { expression: unknown }[])[0]?.expression;
        if (type === 'Import') add(argument, 'dynamic');
        else if (type === 'Identifier' && value === 'require') add(argument, 'require');
        break;
      }
      case 'NewExpression': {
        const [first, second] = (one['arguments'] ?? []) as { expression: AstNode }[];
        const base = second?.expression;
        if (
          (one['callee'] as AstNode)['value'] === 'URL' &&
          base?.type === 'MemberExpression' &&
          (base['object'] as AstNode).type === 'MetaProperty'
        ) {
          add(first?.expression, 'url');
        }
        break;
      }
    }
    for (const key in one) if (key !== 'span' && key !== 'type') visit(one[key]);
  };
  visit(program);
  return found;
}
