import { describe, expect, it } from 'vitest';
import { takeLeadingFlags } from './global-flags.js';

describe('global flags before the command', () => {
  it.each([
    [['services'], {}, ['services']],
    [['-o', 'json', 'services', '-o', 'yaml'], { output: 'json' }, ['services', '-o', 'yaml']],
    [['-ojson', '--env=foo', '--verbose', 'x'], { output: 'json', env: 'foo', verbose: true }, ['x']],
    [
      ['--proxy-address', '127.0.0.1:1', '--namespace=n', '--profile', 'local', 'x'],
      { proxyAddress: '127.0.0.1:1', namespace: 'n', profile: 'local' },
      ['x'],
    ],
    [['--verbose=false', '--', '-x'], { verbose: false }, ['-x']],
  ])('%j', (args, flags, rest) => {
    expect(takeLeadingFlags(args)).toMatchObject({ flags, rest, help: false, version: false });
  });

  it('sees help and version', () => {
    expect(takeLeadingFlags(['-h'])).toMatchObject({ help: true });
    expect(takeLeadingFlags(['-o', 'json', '--version'])).toMatchObject({ version: true, flags: { output: 'json' } });
  });

  it('refuses what it does not know, and values that are missing or wrong', () => {
    expect(() => takeLeadingFlags(['--namspace=x'])).toThrow(/unknown flag --namspace; did you mean --namespace\?/);
    expect(() => takeLeadingFlags(['--env'])).toThrow(/--env needs a value: NAME/);
    expect(() => takeLeadingFlags(['--verbose=perhaps'])).toThrow(/true or false/);
  });
});
