import { runApp } from '@micro/platform';
import { apiApp } from './api.app.js';
import { superviseWorkers, wantsWorkers } from './workers.js';

if (wantsWorkers()) superviseWorkers();
else void runApp(apiApp);
