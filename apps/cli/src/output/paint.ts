import picocolors from 'picocolors';

/** Colours, or none. */
export type Paint = ReturnType<typeof picocolors.createColors>;

export function paint(colors: boolean): Paint {
  return picocolors.createColors(colors);
}

/** Colours only where somebody sees them: not into files and pipes, not with NO_COLOR (no-color.org); FORCE_COLOR overrules both. */
export function wantsColor(
  stream: { readonly isTTY?: boolean },
  variables: Readonly<Record<string, string | undefined>>,
): boolean {
  if (variables.FORCE_COLOR) return variables.FORCE_COLOR !== '0';
  if (variables.NO_COLOR || variables.TERM === 'dumb') return false;
  return stream.isTTY === true;
}

/** Statuses in the colours that people expect. */
export function paintStatus(status: string, colors: Paint): string {
  switch (status) {
    case 'running':
    case 'ok':
      return colors.green(status);
    case 'error':
    case 'failed':
      return colors.red(status);
    case 'stopped':
      return colors.dim(status);
    default:
      return colors.yellow(status);
  }
}
