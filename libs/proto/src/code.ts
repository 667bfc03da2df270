/** Text as it stands in generated code: JSON, so that no name of a schema can be more than text. */
export function literal(value: string | number): string {
  return JSON.stringify(value);
}

/** Reads a property. What every object inherits (`constructor`, `toString`) counts only if it is the object's own. */
export function property(object: string, name: string): string {
  const read = `${object}[${literal(name)}]`;
  return name in Object.prototype ? `(Object.hasOwn(${object}, ${literal(name)}) ? ${read} : undefined)` : read;
}

/** Generated code and the values that it refers to. */
export class Code {
  readonly #names: string[] = [];
  readonly #values: unknown[] = [];
  readonly #lines: string[] = [];

  constructor(named: Readonly<Record<string, unknown>>) {
    this.#names.push(...Object.keys(named));
    this.#values.push(...Object.values(named));
  }

  /** A name for a value. */
  bind(value: unknown): string {
    const known = this.#values.indexOf(value);
    if (known >= 0) return this.#names[known]!;
    this.#values.push(value);
    return this.#names[this.#names.push(`c${this.#names.length}`) - 1]!;
  }

  add(...lines: readonly string[]): this {
    this.#lines.push(...lines);
    return this;
  }

  /** The function that the code is. */
  compile<F>(): F {
    return new Function(...this.#names, `"use strict";\nreturn ${this.#lines.join('\n')}`)(...this.#values) as F;
  }
}
