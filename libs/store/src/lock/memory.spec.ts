import { lockCapabilities } from '../capabilities.js';
import { locksContract } from './locks.contract.js';
import { openLocks } from './open.js';

locksContract('memory', { capabilities: lockCapabilities.memory, open: () => openLocks({ adapter: 'memory' }) });
