import { describeConformance } from '../../conformance/run.js';

describeConformance('client', { cases: 591 });
