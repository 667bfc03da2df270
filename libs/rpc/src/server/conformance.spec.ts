import { describeConformance } from '../../conformance/run.js';

describeConformance('server', { cases: 886, flags: ['-p', '4'] });
