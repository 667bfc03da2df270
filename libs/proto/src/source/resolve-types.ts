import { fieldType, type FieldDescriptor, type MessageDescriptor, typeNames } from '../descriptor.js';
import { builtinNamed } from './builtin.js';
import type { LinkedFile, Pool, Definition } from './pool.js';

/** Replaces the names of types in a file by full names, `.package.Type`, and notes whether each is a message or an enum. */
export function resolveTypes(pool: Pool, linked: LinkedFile): void {
  const resolver = new Resolver(pool, linked);
  const { file } = linked,
    scope = file.package ?? '';
  for (const message of file.messageType) resolver.message(message, scope);
  for (const extension of file.extension) resolver.field(extension, scope);
  for (const service of file.service) {
    const inside = scope ? `${scope}.${service.name}` : service.name;
    for (const method of service.method) {
      method.inputType = resolver.type(method.inputType, inside, method, ['message']).name;
      method.outputType = resolver.type(method.outputType, inside, method, ['message']).name;
    }
  }
}

class Resolver {
  readonly #pool: Pool;
  readonly #linked: LinkedFile;
  readonly #visible: ReadonlySet<string>;

  constructor(pool: Pool, linked: LinkedFile) {
    this.#pool = pool;
    this.#linked = linked;
    this.#visible = pool.visibleFrom(linked.file);
  }

  message(message: MessageDescriptor, outer: string): void {
    const scope = outer ? `${outer}.${message.name}` : message.name;
    for (const field of message.field) this.field(field, scope);
    for (const extension of message.extension) this.field(extension, scope);
    for (const nested of message.nestedType) this.message(nested, scope);
  }

  field(field: FieldDescriptor, scope: string): void {
    if (field.extendee !== undefined) field.extendee = this.type(field.extendee, scope, field, ['message']).name;
    if (field.typeName !== undefined) {
      const { name, symbol } = this.type(field.typeName, scope, field, ['message', 'enum']);
      field.typeName = name;
      if (field.type !== fieldType.group || symbol.kind !== 'message')
        field.type = symbol.kind === 'message' ? fieldType.message : fieldType.enum;
    } else if (
      typeNames[field.type ?? 0] === undefined ||
      field.type === fieldType.message ||
      field.type === fieldType.enum
    ) {
      throw this.#linked.error(`field ${field.name} has no type`, field);
    }
  }

  type(
    name: string,
    scope: string,
    at: object,
    kinds: readonly Definition['kind'][],
  ): { name: string; symbol: Definition } {
    const found = name.startsWith('.') ? this.#known(name.slice(1), kinds) : this.#search(name, scope, kinds);
    if (found) return found;
    throw this.#linked.error(this.#missing(name, scope, kinds), at);
  }

  /** From the innermost scope outwards; the first part of a dotted name decides where the rest must be (as in C++). */
  #search(
    name: string,
    scope: string,
    kinds: readonly Definition['kind'][],
  ): { name: string; symbol: Definition } | undefined {
    const dot = name.indexOf('.'),
      first = dot < 0 ? name : name.slice(0, dot);
    for (let around = scope; ; around = around.slice(0, Math.max(0, around.lastIndexOf('.')))) {
      const prefix = around ? `${around}.` : '';
      if (dot < 0) {
        const found = this.#known(prefix + name, kinds);
        if (found) return found;
      } else {
        const head = this.#pool.symbols.get(prefix + first);
        const isScope =
          head?.kind === 'package' || (head?.kind === 'message' && this.#visible.has(head.file.file.name));
        const found = isScope ? this.#known(prefix + name, kinds) : undefined;
        if (found || (isScope && head.kind === 'message')) return found;
      }
      if (around === '') return undefined;
    }
  }

  #known(fullName: string, kinds: readonly Definition['kind'][]): { name: string; symbol: Definition } | undefined {
    const symbol = this.#pool.symbols.get(fullName);
    if (!symbol || !kinds.includes(symbol.kind) || !this.#visible.has(symbol.file.file.name)) return undefined;
    return { name: `.${fullName}`, symbol };
  }

  #missing(name: string, scope: string, kinds: readonly Definition['kind'][]): string {
    const what = kinds.length > 1 ? 'message or enum' : 'message';
    for (let around = scope; ; around = around.slice(0, Math.max(0, around.lastIndexOf('.')))) {
      const fullName = name.startsWith('.') ? name.slice(1) : around ? `${around}.${name}` : name;
      const symbol = this.#pool.symbols.get(fullName);
      if (symbol && kinds.includes(symbol.kind) && this.#visible.has(symbol.file.file.name))
        return `${name} begins with the name of something nearer: write .${fullName}`;
      if (symbol && kinds.includes(symbol.kind))
        return `${name} is in ${symbol.file.file.name}: add \`import "${symbol.file.file.name}";\``;
      if (around === '') break;
    }
    const short = name.split('.').at(-1)!;
    const builtin = builtinNamed(short);
    if (builtin && /google/.test(name)) return `${name} needs \`import "${builtin}";\``;
    return `there is no ${what} ${name}: define it, import the file that does, or correct the name`;
  }
}
