import type { Command } from 'commander';
import type { Cli } from './cli.js';

/** What the file of a command exports. */
export interface CommandModule {
  /** Adds arguments, options and the action to a command that has its name, its summary and the global flags already. */
  define(command: Command, cli: Cli): void;
}

export interface CatalogueEntry {
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  /** Names of its own commands, for completion. */
  readonly subcommands?: readonly string[];
  /** Each command is a file that is read only when it is run. */
  readonly load: () => Promise<CommandModule>;
}

/** The built-in commands, as help lists them. */
export const catalogue: readonly CatalogueEntry[] = [
  {
    name: 'server',
    group: 'Platform',
    summary: 'start the platform, and stop it with ctrl-c',
    subcommands: ['stop', 'status'],
    load: () => import('./commands/server.js'),
  },
  {
    name: 'doctor',
    group: 'Platform',
    summary: 'find out why something does not work',
    load: () => import('./commands/doctor.js'),
  },
  { name: 'new', group: 'Services', summary: 'make a new service', load: () => import('./commands/new.js') },
  {
    name: 'gen',
    group: 'Services',
    summary: 'make TypeScript of .proto files',
    load: () => import('./commands/gen.js'),
  },
  { name: 'run', group: 'Services', summary: 'run a service from its source', load: () => import('./commands/run.js') },
  {
    name: 'update',
    group: 'Services',
    summary: 'build a running service again and replace it',
    load: () => import('./commands/update.js'),
  },
  { name: 'kill', group: 'Services', summary: 'stop running services', load: () => import('./commands/kill.js') },
  {
    name: 'status',
    group: 'Services',
    summary: 'show what runs, and how it fares',
    load: () => import('./commands/status.js'),
  },
  { name: 'logs', group: 'Services', summary: 'show what a service wrote', load: () => import('./commands/logs.js') },
  { name: 'call', group: 'Calls', summary: 'call an endpoint with JSON', load: () => import('./commands/call.js') },
  {
    name: 'stream',
    group: 'Calls',
    summary: 'call a streaming endpoint with JSON',
    load: () => import('./commands/stream.js'),
  },
  {
    name: 'services',
    group: 'Calls',
    summary: 'list what can be called',
    load: () => import('./commands/services.js'),
  },
  {
    name: 'get',
    group: 'Calls',
    summary: 'show one service: nodes, endpoints, fields',
    subcommands: ['service'],
    load: () => import('./commands/get.js'),
  },
  {
    name: 'register',
    group: 'Calls',
    summary: 'put a service into the registry by hand',
    load: () => import('./commands/register.js'),
  },
  {
    name: 'deregister',
    group: 'Calls',
    summary: 'take a service, or nodes of it, off the registry',
    load: () => import('./commands/deregister.js'),
  },
  {
    name: 'publish',
    group: 'Data',
    summary: 'publish a message to a topic',
    load: () => import('./commands/publish.js'),
  },
  {
    name: 'subscribe',
    group: 'Data',
    summary: 'print the messages of a topic as they come',
    load: () => import('./commands/subscribe.js'),
  },
  {
    name: 'events',
    group: 'Data',
    summary: 'publish, read and consume events that are kept',
    subcommands: ['publish', 'read', 'follow', 'consume', 'dead', 'replay'],
    load: () => import('./commands/events.js'),
  },
  {
    name: 'store',
    group: 'Data',
    summary: 'read, write and watch records',
    subcommands: ['read', 'write', 'list', 'delete', 'databases', 'tables', 'watch', 'snapshot', 'restore'],
    load: () => import('./commands/store.js'),
  },
  {
    name: 'blob',
    group: 'Data',
    summary: 'keep files and other content of any size',
    subcommands: ['put', 'get', 'list', 'delete'],
    load: () => import('./commands/blob.js'),
  },
  {
    name: 'lock',
    group: 'Data',
    summary: 'run a program while it has a lock',
    load: () => import('./commands/lock.js'),
  },
  {
    name: 'env',
    group: 'micro',
    summary: 'list, add and choose environments',
    subcommands: ['add', 'set', 'get', 'del'],
    load: () => import('./commands/env.js'),
  },
  {
    name: 'completion',
    group: 'micro',
    summary: 'complete names in bash, zsh and fish',
    subcommands: ['bash', 'zsh', 'fish'],
    load: () => import('./commands/completion.js'),
  },
  {
    name: 'version',
    group: 'micro',
    summary: 'show the versions of this program, the server and Node',
    load: () => import('./commands/version.js'),
  },
  {
    name: 'help',
    group: 'micro',
    summary: 'show help of a command or a service',
    load: () => import('./commands/help.js'),
  },
];

export function builtIn(name: string): CatalogueEntry | undefined {
  return catalogue.find((entry) => entry.name === name);
}
