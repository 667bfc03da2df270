import { mergeConfig } from 'vitest/config';
import config from '../../vitest.config.js';
import { haveTool } from '../../libs/testing/src/outside.js';
import { backingTools } from '../../libs/testing/src/servers/backing.js';

/** What is of a laptop, its files, or does not depend on where a platform keeps things and would only be done twice. */
const onlyOnce = ['adapters', 'cluster-faults', 'completion', 'disk', 'gen-watch', 'packages'];

/** The suite again, every platform on an etcd, a NATS and a PostgreSQL of its own; without one of them nothing of it, loudly. */
export default mergeConfig(config, {
  test: {
    env: { MICRO_TEST_PROFILE: 'staging' },
    // Servers are started for each platform, too.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    exclude: backingTools.every(haveTool) ? onlyOnce.map((name) => `src/${name}.spec.ts`) : ['**'],
  },
});
