import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { Failure } from '../failure.js';
import { didYouMean } from '../suggest.js';

const scripts: Readonly<Record<string, string>> = {
  bash: `# micro completion: add to ~/.bashrc:  source <(micro completion bash)
_micro() {
  local IFS=$'\\n'
  COMPREPLY=($(micro __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
}
COMP_WORDBREAKS=\${COMP_WORDBREAKS//=/}
complete -o default -F _micro micro
`,
  zsh: `#compdef micro
# micro completion: add to ~/.zshrc:  source <(micro completion zsh)
_micro() {
  local -a found
  found=("\${(@f)$(micro __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -z "\${found[1]}" ]]; then _files; return; fi
  compadd -Q -S '' -- "\${(@M)found:#*=}"
  compadd -Q -- "\${(@)found:#*=}"
}
if [[ "\${funcstack[1]}" == _micro ]]; then
  _micro "$@"
else
  (( \${+functions[compdef]} )) || { autoload -Uz compinit && compinit }
  compdef _micro micro
fi
`,
  fish: `# micro completion: add to ~/.config/fish/config.fish:  micro completion fish | source
function __micro_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (micro __complete $words[2..-1] 2>/dev/null)
  if set -q found[1]
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c micro -f -a '(__micro_complete)'
`,
};

export function define(command: Command, cli: Cli): void {
  command
    .description('Prints a script that makes a shell complete commands, services, endpoints, flags and environments.')
    .argument('<shell>', 'bash, zsh or fish')
    .action((shell: string) => {
      if (!Object.hasOwn(scripts, shell))
        throw new Failure(`shell "${shell}" is unknown${didYouMean(shell, Object.keys(scripts))} (bash, zsh, fish)`);
      cli.streams.stdout.write(scripts[shell]!);
    });
}
