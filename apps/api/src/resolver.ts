/** What a path calls by convention: a service of the registry and the name of one of its endpoints. */
export interface Resolved {
  /** `foo`, `v1.foo.bar`. */
  readonly service: string;
  /** `Foo.Bar`. */
  readonly endpoint: string;
}

const version = /^v[0-9]+$/;

/**
 * Reads a cleaned path as Micro does: `/foo` is Foo.Call of foo, `/foo/bar` Foo.Bar of foo, and with more segments the last two are the
 * endpoint and those before it the service's name, joined by dots. A first segment `v1` belongs to the name and to nothing else.
 * Undefined for the empty path and for segments that no service or endpoint can be called.
 */
export function resolve(segments: readonly string[]): Resolved | undefined {
  if (segments.length === 0 || segments.some((segment) => segment.includes('/'))) return undefined;
  const versioned = segments.length > 1 && version.test(segments[0] as string);
  const prefix = versioned ? `${segments[0]}.` : '';
  const parts = versioned ? segments.slice(1) : segments;
  const [first, second] = parts as [string, string | undefined];
  if (second === undefined) return { service: prefix + first, endpoint: `${titled(first)}.Call` };
  if (parts.length === 2) return { service: prefix + first, endpoint: `${titled(first)}.${titled(second)}` };
  return {
    service: prefix + parts.slice(0, -2).join('.'),
    endpoint: parts.slice(-2).map(titled).join('.'),
  };
}

/** The path that `resolve` reads as this service and endpoint, for hints. */
export function pathOf(service: string, endpoint: string): string {
  const [handler = '', method = ''] = endpoint.split('.');
  const parts = service.split('.');
  const camel = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);
  const short = parts.at(-1) as string;
  const isVersioned = parts.length > 1 && version.test(parts[0] as string);
  if (titled(short) === handler && parts.length === (isVersioned ? 2 : 1))
    return `/${parts.join('/')}/${camel(method)}`;
  return `/${parts.join('/')}/${camel(handler)}/${camel(method)}`;
}

/** `baz-xyz` → `BazXyz`, `fooBar` → `FooBar`. */
function titled(segment: string): string {
  return segment
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
