import { runApp } from '@micro/platform';
import { runtimeApp } from './runtime.app.js';

void runApp(runtimeApp);
