import { runApp } from '@micro/platform';
import { proxyApp } from './proxy.app.js';

void runApp(proxyApp);
