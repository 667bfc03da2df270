import { runApp } from '@micro/platform';
import { storeApp } from './store.app.js';

void runApp(storeApp);
