import { Failure } from './failure.js';
import { didYouMean } from './suggest.js';

/** Flags that every command takes, before or after its name. What is not given comes from the flag's variable. */
export interface GlobalFlags {
  env?: string;
  namespace?: string;
  profile?: string;
  output?: string;
  proxyAddress?: string;
  verbose?: boolean;
}

export interface GlobalFlag {
  readonly key: keyof GlobalFlags;
  readonly name: string;
  readonly short?: string;
  readonly variable: string;
  /** What the value is, for help; a flag without one is on or off. */
  readonly value?: string;
  readonly help: string;
}

export const globalFlags: readonly GlobalFlag[] = [
  {
    key: 'env',
    name: 'env',
    short: 'e',
    variable: 'MICRO_ENV',
    value: 'NAME',
    help: 'environment to talk to (see micro env)',
  },
  {
    key: 'namespace',
    name: 'namespace',
    short: 'n',
    variable: 'MICRO_NAMESPACE',
    value: 'NAME',
    help: 'namespace to act in (default micro)',
  },
  {
    key: 'profile',
    name: 'profile',
    variable: 'MICRO_PROFILE',
    value: 'NAME',
    help: 'profile that what is started runs with (default local)',
  },
  {
    key: 'output',
    name: 'output',
    short: 'o',
    variable: 'MICRO_OUTPUT',
    value: 'FORMAT',
    help: 'table, json, raw or yaml (default table)',
  },
  {
    key: 'proxyAddress',
    name: 'proxy-address',
    variable: 'MICRO_PROXY_ADDRESS',
    value: 'HOST:PORT',
    help: "proxy to call through, instead of the environment's",
  },
  { key: 'verbose', name: 'verbose', variable: 'MICRO_VERBOSE', help: 'say more: causes and traces of errors' },
];

export interface SplitArguments {
  readonly flags: GlobalFlags;
  readonly rest: string[];
  readonly help: boolean;
  readonly version: boolean;
}

/**
 * Takes global flags from the front of the arguments, up to the first that is not a flag: the command. Failure for a flag that is
 * not one of them.
 */
export function takeLeadingFlags(args: readonly string[]): SplitArguments {
  const flags: GlobalFlags = {};
  let help = false;
  let version = false;
  let index = 0;
  while (index < args.length) {
    const arg = args[index]!;
    if (arg === '--') {
      index++;
      break;
    }
    if (!arg.startsWith('-') || arg === '-') break;
    const taken = takeGlobalFlag(args, index, flags);
    if (taken > 0) index += taken;
    else if (arg === '--help' || arg === '-h') {
      help = true;
      index++;
    } else if (arg === '--version' || arg === '-v') {
      version = true;
      index++;
    } else {
      const [word] = splitAtEquals(arg);
      const names = [...globalFlags.map(({ name }) => `--${name}`), '--help', '--version'];
      throw new Failure(`unknown flag ${word}${didYouMean(word, names)} (all flags: micro --help)`);
    }
  }
  return { flags, rest: args.slice(index), help, version };
}

/** Reads the global flag at an index, if there is one, into `flags`. Answers how many arguments it took: 0, 1 or 2. */
export function takeGlobalFlag(args: readonly string[], index: number, flags: GlobalFlags): 0 | 1 | 2 {
  const arg = args[index]!;
  const [word, inline] = splitAtEquals(arg);
  const flag = globalFlags.find(
    ({ name, short }) => word === `--${name}` || (short !== undefined && word === `-${short}`),
  );
  if (!flag) return takeAttached(arg, flags);
  if (!flag.value) {
    if (inline !== undefined && inline !== 'true' && inline !== 'false')
      throw new Failure(`${word} is true or false, not "${inline}"`);
    setFlag(flags, flag, inline !== 'false');
    return 1;
  }
  if (inline !== undefined) {
    setFlag(flags, flag, inline);
    return 1;
  }
  const next = args[index + 1];
  if (next === undefined) throw new Failure(`${word} needs a value: ${flag.value}`);
  setFlag(flags, flag, next);
  return 2;
}

/** Flags that say whom to talk to, wherever they stand. Whether one is a field of a request instead is known only once that answered. */
export function connectionFlags(args: readonly string[]): GlobalFlags {
  const flags: GlobalFlags = {};
  for (let index = 0; index < args.length; index++) {
    const found: GlobalFlags = {};
    if (index + 1 === args.length && !args[index]!.includes('=')) continue;
    if (takeGlobalFlag(args, index, found) === 0) continue;
    const { env, namespace, proxyAddress } = found;
    Object.assign(
      flags,
      env !== undefined && { env },
      namespace !== undefined && { namespace },
      proxyAddress !== undefined && { proxyAddress },
    );
  }
  return flags;
}

/** `-ojson`: a short flag with its value attached. */
function takeAttached(arg: string, flags: GlobalFlags): 0 | 1 {
  if (!/^-[a-z]./.test(arg)) return 0;
  const flag = globalFlags.find(({ short, value }) => value && short === arg[1]);
  if (!flag) return 0;
  setFlag(flags, flag, arg.slice(2));
  return 1;
}

function setFlag(flags: GlobalFlags, flag: GlobalFlag, value: string | boolean): void {
  Object.assign(flags, { [flag.key]: value });
}

export function splitAtEquals(arg: string): [word: string, value: string | undefined] {
  const at = arg.indexOf('=');
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}
