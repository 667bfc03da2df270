import { catalogue } from './catalogue.js';
import { globalFlags } from './global-flags.js';
import type { Paint } from './output/paint.js';

/** `micro --help`. */
export function programHelp(paint: Paint): string {
  const groups = [...new Set(catalogue.map(({ group }) => group))];
  const width = Math.max(...catalogue.map(({ name }) => name.length));
  const flags = globalFlags.map(({ name, short, value, variable, help }) => {
    const spelled = `${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`;
    return `  ${spelled.padEnd(31)} ${help} ${paint.dim(`[${variable}]`)}`;
  });
  return [
    `${paint.bold('micro')} runs and calls microservices.`,
    '',
    'Usage: micro [FLAGS] COMMAND [ARGUMENTS]',
    '       micro [FLAGS] SERVICE [HANDLER] METHOD [--FIELD=VALUE …]',
    ...groups.flatMap((group) => [
      '',
      paint.bold(`${group}:`),
      ...catalogue
        .filter((entry) => entry.group === group)
        .map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    ]),
    '',
    paint.bold('Flags, before or after the command:'),
    ...flags,
    '',
    'A service that runs is a command of its own: micro helloworld --name=Alice, micro helloworld --help.',
    'An executable micro-NAME on PATH is the command NAME. More of a command: micro COMMAND --help.',
  ].join('\n');
}
