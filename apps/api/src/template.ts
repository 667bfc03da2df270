import { MicroError } from '@micro/errors';
import type { CleanPath } from './path.js';

/** One part of a path template: fixed text, or a wildcard. */
export type Part = { readonly literal: string } | '*' | '**';

/** A path template of google/api/http.proto, section "Path template syntax". */
export interface Template {
  readonly parts: readonly Part[];
  /** Fields of the request that parts are bound to, as dotted paths. `end` is exclusive; undefined: through the last segment. */
  readonly variables: readonly { readonly field: string; readonly start: number; readonly end: number | undefined }[];
  /** `archive` of `/v1/{name=shelves/*}:archive`; empty for none. */
  readonly verb: string;
}

/** Values of a template's variables by field path. */
export type Variables = readonly (readonly [field: string, value: string])[];

/** Reads a template. MicroError `invalid_argument` saying what is wrong with it. */
export function parseTemplate(text: string): Template {
  const wrong = (problem: string) =>
    new MicroError('invalid_argument', `path template ${JSON.stringify(text)}: ${problem}`);
  if (!text.startsWith('/')) throw wrong('must begin with /');
  if (text.length > 1024) throw wrong('is longer than 1024 characters');
  const parts: Part[] = [];
  const variables: { field: string; start: number; end: number | undefined }[] = [];
  const path = /^(.*\/(?:[^/{}]|\{[^{}]*\})*?)(?::([^/{}:*]+))?$/s.exec(text);
  if (!path) throw wrong('braces do not match');
  const [, body = '', verb = ''] = path;

  const add = (piece: string) => {
    if (parts.at(-1) === '**') throw wrong('** must come last');
    if (piece === '*' || piece === '**') parts.push(piece);
    else if (piece === '' || /[*{}]/.test(piece)) throw wrong(`${JSON.stringify(piece)} is neither a name, * nor **`);
    else parts.push({ literal: decodedLiteral(piece, wrong) });
  };
  for (const piece of pieces(body.slice(1))) {
    const variable = /^\{([^=]+)(?:=(.+))?\}$/s.exec(piece);
    if (!variable) {
      if (piece !== '' || body !== '/') add(piece);
      continue;
    }
    const [, field = '', pattern = '*'] = variable;
    if (!/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(field)) throw wrong(`${JSON.stringify(field)} is not a field`);
    if (variables.some((known) => known.field === field)) throw wrong(`${field} is bound twice`);
    const start = parts.length;
    for (const inner of pattern.split('/')) add(inner);
    variables.push({ field, start, end: parts.at(-1) === '**' ? undefined : parts.length });
  }
  return { parts, variables, verb };
}

/**
 * What a matching path says of the template's variables. One segment stands decoded; of several, an encoded slash stays encoded, so that
 * a value can be cut at its slashes again (google/api/http.proto, on multi-segment variables).
 */
export function bind(template: Template, path: CleanPath): Variables {
  const segments = template.verb && path.verb ? [...path.segments.slice(0, -1), path.verb.stem] : path.segments;
  return template.variables.map(({ field, start, end }) => {
    const bound = segments.slice(start, end);
    const single = end !== undefined && end - start === 1;
    return [
      field,
      single ? (bound[0] as string) : bound.map((segment) => segment.replaceAll('/', '%2F')).join('/'),
    ] as const;
  });
}

/** Cuts at the slashes outside of braces. */
function pieces(body: string): string[] {
  return body.match(/(?:\{[^{}]*\}|[^/])+|(?<=\/|^)(?=\/|$)/g) ?? [''];
}

function decodedLiteral(piece: string, wrong: (problem: string) => MicroError): string {
  try {
    return decodeURIComponent(piece);
  } catch {
    throw wrong(`${JSON.stringify(piece)} has a broken percent-encoding`);
  }
}
