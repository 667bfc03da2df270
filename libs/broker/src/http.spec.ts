import { openRegistry } from '@micro/registry';
import { afterAll } from 'vitest';
import { brokerContract } from './broker.contract.js';
import { brokerCapabilities } from './capabilities.js';
import { HttpBroker } from './http.js';

const registry = await openRegistry({ adapter: 'memory' });
afterAll(() => registry.close());

brokerContract('http', { capabilities: brokerCapabilities.http, open: async () => new HttpBroker({ registry }) });
