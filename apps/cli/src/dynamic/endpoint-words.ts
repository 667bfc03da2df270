import { exitCodes, Failure } from '../failure.js';
import type { EndpointView, ServiceView } from '../remote/service-view.js';
import { nearest } from '../suggest.js';

/** An endpoint chosen by words, and what is left of the arguments: its flags. */
export interface ChosenEndpoint {
  readonly endpoint: EndpointView;
  readonly rest: readonly string[];
}

/**
 * The endpoint that words after a service's name mean: none is Service.Call, one is Service.Method, two are Handler.Method; whichever way they
 * are cased or hyphenated. Where the handler is not named after the service, a method's name alone is enough as long as one handler has it.
 */
export function chooseEndpoint(service: ServiceView, args: readonly string[]): ChosenEndpoint {
  const words = wordsOf(args);
  const [first = 'Call', second] = words;
  const handler = second === undefined ? service.name : first;
  const method = second ?? first;
  const endpoint = find(service, handler, method) ?? (second === undefined ? findAnywhere(service, method) : undefined);
  if (!endpoint) throw noEndpoint(service, words.length === 0 ? `${service.name} Call` : words.join(' '));
  return { endpoint, rest: args.slice(words.length) };
}

/**
 * The endpoint of `Handler.Method`, `Method`, `package.Service/Method` or a full method path. Failure `malformed` for anything else, `method not
 * found` for what the service does not have.
 */
export function namedEndpoint(service: ServiceView, name: string): EndpointView {
  const parts = parseEndpoint(name);
  const endpoint =
    parts.path !== undefined
      ? service.endpoints.find(({ path }) => path === parts.path)
      : parts.handler !== undefined
        ? find(service, parts.handler, parts.method)
        : (find(service, service.name, parts.method) ?? findAnywhere(service, parts.method));
  if (!endpoint) throw noEndpoint(service, name);
  return endpoint;
}

export interface EndpointParts {
  /** `/package.Service/Method`, where the name says so much. */
  readonly path?: string;
  readonly handler?: string;
  readonly method: string;
}

/** What an endpoint's name says, without knowing the service. Failure with exit code 3 for a malformed one. */
export function parseEndpoint(name: string): EndpointParts {
  const path = /^\/?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\/([A-Za-z_]\w*)$/.exec(name);
  if (path) return { path: `/${path[1]}/${path[2]}`, handler: path[1]!.split('.').at(-1), method: path[2]! };
  const short = /^(?:([A-Za-z_][\w-]*)\.)?([A-Za-z_][\w-]*)$/.exec(name);
  if (!short) {
    throw new Failure(
      `${JSON.stringify(name.slice(0, 80))} is no endpoint: write Handler.Method, like Helloworld.Call, or package.Service/Method`,
      {
        exitCode: exitCodes.malformedMethod,
      },
    );
  }
  return { handler: short[1], method: short[2]! };
}

/** How an endpoint is called as words: `stream`, or `handler method` where the handler is not the service's own. */
export function wordsFor(service: ServiceView, endpoint: EndpointView): string {
  const [handler = '', method = ''] = endpoint.name.split('.');
  const own =
    fold(handler) === fold(lastPart(service.name)) ||
    !service.endpoints.some(({ name }) => name !== endpoint.name && name.endsWith(`.${method}`));
  return own ? kebab(method) : `${kebab(handler)} ${kebab(method)}`;
}

function wordsOf(args: readonly string[]): readonly string[] {
  const end = args.findIndex((arg) => arg.startsWith('-'));
  const words = end < 0 ? args : args.slice(0, end);
  if (words.length > 2)
    throw new Failure(
      `unexpected argument ${JSON.stringify(words[2])} (a call is SERVICE [HANDLER] METHOD --FIELD=VALUE)`,
    );
  return words;
}

function find(service: ServiceView, handler: string, method: string): EndpointView | undefined {
  const wanted = `${fold(lastPart(handler))}.${fold(method)}`;
  return service.endpoints.find(({ name }) => name.split('.').map(fold).join('.') === wanted);
}

function findAnywhere(service: ServiceView, method: string): EndpointView | undefined {
  const found = service.endpoints.filter(({ name }) => fold(name.split('.').at(-1) ?? '') === fold(method));
  if (found.length > 1)
    throw new Failure(
      `${method} is ambiguous in ${service.name}: say which of ${found.map(({ name }) => name).join(', ')}`,
    );
  return found[0];
}

function noEndpoint(service: ServiceView, words: string): Failure {
  const names = service.endpoints.map(({ name }) => name);
  const near = nearest(words.replaceAll(' ', '.'), [...names, ...names.map((name) => name.split('.').at(-1)!)], 1);
  const suggestion = near.length > 0 ? `; did you mean ${near[0]}?` : '';
  const legal =
    names.length > 0 ? `it has ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}` : 'it has none';
  return new Failure(`service ${service.name} has no endpoint ${words.replaceAll(' ', '.')}${suggestion} (${legal})`, {
    exitCode: exitCodes.methodNotFound,
  });
}

/** `foo.bar` serves Bar; `v1.foo` serves Foo. */
function lastPart(name: string): string {
  return name.split('.').at(-1) ?? name;
}

/** Case, hyphens and underscores do not tell names apart. */
function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

function kebab(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}
