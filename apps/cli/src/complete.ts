import { builtIn, catalogue } from './catalogue.js';
import type { Cli } from './cli.js';
import { chooseEndpoint, wordsFor } from './dynamic/endpoint-words.js';
import { flagNames } from './dynamic/flag-names.js';
import { readEnvironments } from './environment/environments.js';
import { globalFlags, takeLeadingFlags } from './global-flags.js';
import { RuntimeConnection } from './remote/runtime.js';
import { schemaOf } from './remote/service-view.js';
import { externalNames, findService, serviceNames } from './resolve.js';
import { outputFormats } from './settings.js';

/** A person is waiting for it: what does not answer in this many milliseconds has nothing to say. */
const patience = 700;

/** What could stand in place of the last word. Never fails: what cannot be known is left out. */
export async function complete(words: readonly string[], cli: Cli): Promise<string[]> {
  const last = words.at(-1) ?? '';
  const late = new Promise<string[]>((resolve) => setTimeout(resolve, patience, []).unref());
  const found = await Promise.race([candidates(words.slice(0, -1), last, cli).catch(() => []), late]);
  return [...new Set(found)].filter((word) => word.startsWith(last)).sort();
}

async function candidates(before: readonly string[], last: string, cli: Cli): Promise<string[]> {
  const value = flagValues(before.at(-1) ?? '', cli);
  if (value) return value;
  const { flags, rest } = takeLeadingFlags(before);
  cli.addFlags(flags);
  const [word, ...others] = rest;
  if (word === undefined) return last.startsWith('-') ? globalNames() : firstWords(cli);
  const entry = builtIn(word);
  return entry ? afterBuiltIn(entry, others, { last, cli }) : afterService(word, others, { last, cli });
}

interface Position {
  readonly last: string;
  readonly cli: Cli;
}

/** Values of the flag that the word before is. */
function flagValues(flag: string, cli: Cli): string[] | undefined {
  if (flag === '-e' || flag === '--env') return environmentNames(cli);
  return flag === '-o' || flag === '--output' ? [...outputFormats] : undefined;
}

async function afterBuiltIn(
  entry: NonNullable<ReturnType<typeof builtIn>>,
  others: readonly string[],
  { last, cli }: Position,
): Promise<string[]> {
  if (last.startsWith('-')) return [...(await ownFlags(entry, others, cli)), ...globalNames()];
  const words = others.filter((word) => !word.startsWith('-'));
  const running = async () => (await new RuntimeConnection(cli).read()).map(({ name }) => name);
  switch (entry.name) {
    case 'help':
      return words.length === 0 ? firstWords(cli) : [];
    case 'kill':
      return running();
    case 'status':
    case 'logs':
    case 'update':
      return words.length === 0 ? running() : [];
    case 'deregister':
      return words.length === 0 ? serviceNames(cli.connection) : [];
    case 'call':
    case 'stream':
      return words.length === 0
        ? serviceNames(cli.connection)
        : words.length === 1
          ? endpointNames(words[0]!, cli)
          : [];
    case 'get':
      return words.length === 0 ? ['service'] : words.length === 1 ? serviceNames(cli.connection) : [];
    case 'env':
      return words.length === 0
        ? [...(entry.subcommands ?? [])]
        : words.length === 1 && words[0] !== 'add'
          ? environmentNames(cli)
          : [];
    default:
      return words.length === 0 ? [...(entry.subcommands ?? [])] : [];
  }
}

async function afterService(name: string, others: readonly string[], { last, cli }: Position): Promise<string[]> {
  const service = await findService(name, cli.connection);
  if (!service) return [];
  if (!last.startsWith('-')) {
    const before = others.filter((word) => !word.startsWith('-')).join(' ');
    const words = service.endpoints.map((endpoint) => wordsFor(service, endpoint));
    return words
      .filter((one) => one.startsWith(before))
      .map((one) => one.slice(before.length).trim().split(' ')[0] ?? '');
  }
  const method = (await schemaOf(service))?.method(chooseEndpoint(service, others).endpoint.path);
  return [
    ...(method
      ? flagNames(method.input).map((flag) => `${flag.replace(/KEY$/, '')}${flag.endsWith('KEY') ? '' : '='}`)
      : []),
    '--help',
  ];
}

async function firstWords(cli: Cli): Promise<string[]> {
  const known = [...catalogue.map(({ name }) => name), ...externalNames(cli.variables)];
  const late = new Promise<string[]>((resolve) => setTimeout(resolve, patience / 2, []).unref());
  return [...known, ...(await Promise.race([serviceNames(cli.connection).catch(() => []), late]))];
}

async function endpointNames(name: string, cli: Cli): Promise<string[]> {
  return (await findService(name, cli.connection))?.endpoints.map((endpoint) => endpoint.name) ?? [];
}

async function ownFlags(
  entry: NonNullable<ReturnType<typeof builtIn>>,
  others: readonly string[],
  cli: Cli,
): Promise<string[]> {
  const [{ Command }, { define }] = await Promise.all([import('commander'), entry.load()]);
  const command = new Command(entry.name);
  define(command, cli);
  const inner = command.commands.find((one) => one.name() === others[0]) ?? command;
  return [...inner.options.map(({ long }) => long ?? ''), '--help'];
}

function environmentNames(cli: Cli): string[] {
  return readEnvironments(cli.settings.home)
    .list()
    .map(({ name }) => name);
}

function globalNames(): string[] {
  return globalFlags.map(({ name }) => `--${name}`);
}
