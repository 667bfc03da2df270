export { type Code, codeFromGrpc, codeFromHttp, codes, isCode } from './codes.js';
export { type ErrorBody, type ErrorDetail, isErrorBody, MicroError, type MicroErrorOptions } from './micro-error.js';
