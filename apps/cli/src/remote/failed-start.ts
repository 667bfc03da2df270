import { Failure } from '../failure.js';
import type { RuntimeService } from './runtime.js';

/** That a service does not run, why, in the words of what failed, and what to do about it. */
export function notStarted({ name, message, command }: RuntimeService): Failure {
  const next =
    command.length > 0 && message.includes(`the program ${command[0]} was not found`)
      ? `give another --command, and --force to replace what was tried`
      : `more of what it wrote: micro logs ${name}\nonce it is put right: micro update ${name}`;
  return new Failure(`${name} did not start${because(message)}\n${next}`);
}

/**
 * `: ` and what a program wrote when it failed, without what Node adds of its own: frames inside Node, its version, and the caret whose line is not
 * there any more. What is drawn (source lines of a compiler) begins on a line of its own, so that it stays in its columns.
 */
export function because(message: string): string {
  const lines = message.split('\n').filter((line, index) => !isNoise(line) && !(index === 1 && isCaret(line)));
  const begins = lines.findIndex((line) => line.trim() !== '');
  if (begins < 0) return '';
  const text = lines.slice(begins).join('\n').trimEnd();
  return /^\s/.test(text) ? `:\n${text}` : `: ${text}`;
}

function isNoise(line: string): boolean {
  return /^\s*at .*\(?node:internal\/|^Node\.js v\d/.test(line);
}

/** Only the last lines are kept: what a caret in the first of them pointed at is cut off. */
function isCaret(line: string): boolean {
  return /^\s*\^+\s*$/.test(line);
}
