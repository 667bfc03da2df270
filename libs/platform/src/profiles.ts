/**
 * Which adapter of each block a process uses. `MICRO_PROFILE` picks a row; a block's own variable (`MICRO_REGISTRY=memory`) overrides a
 * cell. An adapter that is not listed here does not exist in this build, and naming it stops the boot.
 */
export const profiles = {
  /** Unit tests: nothing leaves the process. */
  test: { registry: 'memory', runtime: 'process' },
  /** A laptop: `micro server`, `nx serve`, and a service started by hand. */
  local: { registry: 'mdns', runtime: 'process' },
  /** A user's service started by `micro run`: everything through the platform's own services. */
  service: { registry: 'remote', runtime: 'remote' },
} as const satisfies Record<string, Row>;

export type ProfileName = keyof typeof profiles;

export const registryNames = ['memory', 'mdns', 'remote'] as const;
export type RegistryName = (typeof registryNames)[number];

export const runtimeNames = ['process', 'remote'] as const;
export type RuntimeName = (typeof runtimeNames)[number];

/** One cell for each block. */
interface Row {
  readonly registry: RegistryName;
  readonly runtime: RuntimeName;
}
