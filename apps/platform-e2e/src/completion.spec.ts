import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { haveTool, run, startPlatform, type TestPlatform, until, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The words that a shell offers for the last one of a command line. */
type Complete = (line: string) => Promise<string[]>;

describe('completion', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
    expect(await platform.micro('run', `${workspaceRoot}examples/helloworld`)).toMatchObject({ code: 0 });
    await mkdir(`${platform.home}/bin`);
    await symlink(`${workspaceRoot}apps/cli/bin/micro.mjs`, `${platform.home}/bin/micro`);
    await mkdir(`${platform.home}/folder/services`, { recursive: true });
  });
  afterAll(() => platform?.stop());

  const shell = (program: string, script: string, args: readonly string[] = []) => {
    const env = {
      ...platform.env,
      PATH: `${platform.home}/bin:${process.env['PATH']}`,
      HOME: platform.home,
      TERM: 'dumb',
    };
    return run(program, [...args, '-c', script], { env, cwd: `${platform.home}/folder` });
  };

  /** Calls what the script registered, as bash does at a tab; where that offers nothing bash looks for files. */
  const bash: Complete = async (line) => {
    const words = line.split(' ');
    const script = `source <(micro completion bash); COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
      read -ra registered < <(complete -p micro); [[ " \${registered[*]} " == *" -o default "* ]] || exit 1
      _micro; printf '%s\\n' "\${COMPREPLY[@]}"; [ \${#COMPREPLY[@]} -gt 0 ] || compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"`;
    return (await shell('bash', script)).stdout.split('\n').filter(Boolean);
  };

  const fish: Complete = async (line) => {
    const { stdout, stderr } = await shell('fish', `micro completion fish | source; complete -C '${line}'`, [
      '--no-config',
    ]);
    expect(stderr).toBe('');
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((offered) => offered.split('\t')[0] as string);
  };

  /** A zsh in a terminal of its own: types the line and a tab, and has zsh tell what it offered and what became of the line. */
  const zsh: Complete = async (line) => {
    await writeFile(
      `${platform.home}/.zshrc`,
      `PS1='ready> '; unsetopt beep; source <(micro completion zsh)
      compadd() { local -a offered; builtin compadd -O offered "$@"; print -rl -- $offered >> $HOME/offered; builtin compadd "$@" }
      told() { zle complete-word; print -r -- "$BUFFER" > $HOME/told }
      zle -N told; bindkey '^I' told`,
    );
    const script = `zmodload zsh/zpty; rm -f $HOME/told $HOME/offered; zpty shell 'zsh -i'; zpty -r -m shell part '*ready> *'
      zpty -w -n shell '${line}'$'\\t'
      for n in {1..200}; do [[ -s $HOME/told ]] && break; zpty -r -t shell part; sleep 0.05; done
      zpty -d shell; cat $HOME/offered $HOME/told`;
    const lines = (await shell('zsh', script, ['-f'])).stdout.split('\n').filter(Boolean);
    const [typed] = lines.splice(-1);
    // Of folders zsh adds the slash after it has offered them.
    const last = typed?.trimEnd().split(' ').at(-1)?.replace(/\/$/, '') ?? '';
    return line.endsWith(` ${last}`) ? lines : [...new Set([...lines, last])];
  };

  const shells: readonly (readonly [string, Complete])[] = [
    ['bash', bash],
    ['fish', fish],
    ['zsh', zsh],
  ];
  describe.each(shells)('in %s', (name, complete) => {
    const offered = (line: string) =>
      until(`${name} offers something after "${line}"`, async () => (await complete(line)).sort());

    it.skipIf(!haveTool({ name, apt: name }))(
      'offers commands, services, endpoints, flags, values and files',
      async () => {
        expect(await offered('micro sta')).toEqual(['status']);
        expect(await offered('micro hel')).toEqual(['helloworld', 'help']);
        expect(await offered('micro logs h')).toEqual(['helloworld']);
        expect(await offered('micro helloworld s')).toEqual(['stream']);
        expect(await offered('micro helloworld call --n')).toEqual(['--name=']);
        expect(await offered('micro run ser')).toEqual([name === 'fish' ? 'services/' : 'services']);
      },
      60_000,
    );
  });
});
