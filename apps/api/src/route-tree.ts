import type { CleanPath } from './path.js';
import { bind, type Template, type Variables } from './template.js';

/** Methods of one template, or of several that are alike but for their variables' names: the first one added wins. */
type Leaf<T> = Map<string, { readonly template: Template; readonly value: T }>;

interface Branch<T> {
  readonly literals: Map<string, Branch<T>>;
  /** What `*` leads to. */
  any: Branch<T> | undefined;
  /** By verb: leaves that end here, and leaves of a `**` that begins here. */
  readonly here: Map<string, Leaf<T>>;
  readonly rest: Map<string, Leaf<T>>;
}

export type Found<T> =
  | { readonly value: T; readonly variables: Variables }
  /** The path is declared, for these other methods. */
  | { readonly allow: readonly string[] };

/**
 * Declared routes, by segment. A lookup follows literals before `*` before `**`, so that the most specific template wins whatever the
 * order of adding; since `**` only comes last it visits each branch at most once.
 */
export class RouteTree<T> {
  readonly #root: Branch<T> = branch();
  size = 0;

  /** `method` in capitals, or `*` for any. False if the same method and shape is taken; it then stays as it was. */
  add(method: string, template: Template, value: T): boolean {
    let at = this.#root;
    let leaves = at.here;
    for (const part of template.parts) {
      if (part === '**') {
        leaves = at.rest;
        break;
      }
      at = part === '*' ? (at.any ??= branch()) : child(at.literals, part.literal);
      leaves = at.here;
    }
    let leaf = leaves.get(template.verb);
    if (!leaf) leaves.set(template.verb, (leaf = new Map()));
    if (leaf.has(method)) return false;
    leaf.set(method, { template, value });
    this.size++;
    return true;
  }

  /** Undefined where no template has this path. */
  find(method: string, path: CleanPath): Found<T> | undefined {
    const allow = new Set<string>();
    const { segments, verb } = path;
    const found =
      (verb &&
        this.#search(
          this.#root,
          { method, segments: [...segments.slice(0, -1), verb.stem], verb: verb.name, allow },
          0,
        )) ??
      this.#search(this.#root, { method, segments, verb: '', allow }, 0);
    if (found) return { value: found.value, variables: bind(found.template, path) };
    return allow.size > 0 ? { allow: [...allow].sort() } : undefined;
  }

  #search(at: Branch<T>, wanted: Wanted, depth: number): { template: Template; value: T } | undefined {
    const segment = wanted.segments[depth];
    if (segment === undefined) return pick(at.here, wanted) ?? pick(at.rest, wanted);
    const literal = at.literals.get(segment);
    return (
      (literal && this.#search(literal, wanted, depth + 1)) ??
      (at.any && this.#search(at.any, wanted, depth + 1)) ??
      pick(at.rest, wanted)
    );
  }
}

interface Wanted {
  readonly method: string;
  readonly segments: readonly string[];
  readonly verb: string;
  /** Collects the methods of leaves that have the path but not the method. */
  readonly allow: Set<string>;
}

function pick<T>(
  leaves: Map<string, Leaf<T>>,
  { method, verb, allow }: Wanted,
): { template: Template; value: T } | undefined {
  const leaf = leaves.get(verb);
  if (!leaf) return undefined;
  const found = leaf.get(method) ?? leaf.get('*');
  if (!found) for (const other of leaf.keys()) allow.add(other);
  return found;
}

function branch<T>(): Branch<T> {
  return { literals: new Map(), any: undefined, here: new Map(), rest: new Map() };
}

function child<T>(branches: Map<string, Branch<T>>, name: string): Branch<T> {
  let found = branches.get(name);
  if (!found) branches.set(name, (found = branch()));
  return found;
}
