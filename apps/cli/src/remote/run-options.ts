import { Failure } from '../failure.js';
import type { Variables } from '../settings.js';
import { pairs } from './call-options.js';

/** Variables for a service: `KEY=VALUE`, or `KEY` for the value that it has here. Failure if it has none. */
export function environmentPairs(values: readonly string[] | undefined, variables: Variables): Record<string, string> {
  const complete = values?.map((value) => {
    if (value.includes('=')) return value;
    const own = variables[value];
    if (own === undefined)
      throw new Failure(`--env ${value}: the variable is not set here; write --env ${value}=VALUE`);
    return `${value}=${own}`;
  });
  return pairs(complete, '--env');
}

/** A whole number from 1 to 100, or within other bounds. */
export function count(text: string, flag: string, most = 100, least = 1): number {
  if (!/^\d{1,16}$/.test(text) || Number(text) < least || Number(text) > most)
    throw new Failure(`${flag} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
  return Number(text);
}

/** A command line as program and arguments: split at spaces, but not inside quotes; no shell is involved. Failure for a quote left open. */
export function commandWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '\\' && quote !== "'" && at + 1 < text.length) word = (word ?? '') + text[++at]!;
    else if (quote !== '') {
      if (character === quote) quote = '';
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') throw new Failure(`--command has a quote that is not closed: ${text}`);
  if (word !== undefined) words.push(word);
  if (words.length === 0) throw new Failure('--command is empty: give a program and its arguments');
  return words;
}
