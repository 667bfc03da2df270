import type { MethodDefinition } from '@micro/proto';
import { expect, it } from 'vitest';
import { schema } from './gateway.rig.js';
import { fieldOf } from './response-field.js';

const definition = schema.method('/everything.Everything/Call') as MethodDefinition;

it.each([
  ['name', ''],
  ['big', '0'],
  ['flag', false],
  ['mood', 'UNKNOWN'],
  ['inner', {}],
  ['tags', []],
  ['data', ''],
  ['at', null],
  ['real', 0],
  ['nothing', null],
  ['constructor', null],
])('%s is %j where it is not set', (name, value) => {
  expect(fieldOf({}, name, definition)).toEqual(value);
});

it('is found under both of its names', () => {
  const answer = schema.method('/everything.Everything/Metadata') as MethodDefinition;
  expect(fieldOf({ metadata: { a: 'b' } }, 'metadata', answer)).toEqual({ a: 'b' });
  expect(fieldOf({}, 'metadata', answer)).toEqual({});
});
