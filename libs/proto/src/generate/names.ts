/** Words that TypeScript does not let a type or a constant be named, or that generated code uses for itself. */
const reserved = new Set(
  `any arguments as async await bigint boolean break case catch class const continue debugger default delete do else enum eval export extends false
   finally for function if implements import in instanceof interface let never new null number object package private protected public return
   static string super switch symbol this throw true try type typeof undefined unknown var void while with yield
   lazySchema protoFiles schema BidiStream ClientStream Message ServerStream Unary Uint8Array`.split(/\s+/),
);

/** Names of what a generated file declares and imports, each once. */
export class Names {
  readonly #byKey = new Map<string, string>();
  readonly #taken = new Set(reserved);

  /** The name of a thing, by a key that tells it from all others: the one wanted, or with `_` added until no other has it. */
  get(key: string, wanted: string): string {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    let name = wanted;
    while (this.#taken.has(name)) name += '_';
    this.#taken.add(name);
    this.#byKey.set(key, name);
    return name;
  }
}
