// What both client scripts share: options, the transcript on stdout, questions to the Python side, a socket
// that behaves like a browser's. Nothing here knows what a Qlik client does.
//
// Each transcript line is one JSON object {"event": ...}. A line {"ask": ...} is not part of it: the Python side
// does what is asked and answers with one line on stdin. Values that differ from run to run are replaced, so that
// two runs, by different addresses, can be compared for equality.
import readline from 'node:readline';
import WebSocket from 'ws';

// base: address of the virtual proxy, http(s)://host[:port][/prefix]; cookie: a Cookie header; origin: the page's
// origin; csrf: whether sockets carry the token of qps/csrftoken; app: an app's id; scenario: which function to run.
export const options = JSON.parse(process.argv[2]);
export const base = options.base.replace(/\/+$/, '');
export const socketBase = base.replace(/^http/, 'ws');

const PATIENCE_MS = 15_000;
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const REPLACED = [
  [new RegExp(`(${[base, socketBase].flatMap(spellings).map(escaped).join('|')})`, 'gi'), '<base>'],
  ...(options.app ? [[new RegExp(escaped(options.app), 'g'), '<app>']] : []),
  [/SessionApp_[0-9a-f-]{36}/g, '<session app>'],
  [/\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi, '<id>'],
  [/\b\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)/g, '<time>'],
  [/((?:qlik-csrf-token|xrfkey|targetId)(?:=|%3D))[^&#]+/gi, '$1<secret>'],
  [/(?<!\d)1\d{12}(?!\d)/g, '<milliseconds>'],
];

function spellings(address) {
  const once = encodeURIComponent(address);
  return [address, once, encodeURIComponent(once)];
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

function steady(value) {
  if (typeof value === 'string') return REPLACED.reduce((text, [found, by]) => text.replace(found, by), value);
  if (Array.isArray(value)) return value.map(steady);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, steady(each)]));
  }
  return value;
}

export function note(event, details = {}) {
  write({ event, ...steady(details) });
}

// Have the Python side do something; resolves when it is done.
export async function ask(what, details = {}) {
  write({ ask: what, ...details });
  await within(answers.next(), `an answer to ${what}`);
}

export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${PATIENCE_MS} ms for ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Something that happens once or more; `next` waits for the next one that nobody has taken yet.
export class Happenings {
  #seen = [];
  #waiting = [];

  add(value) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(value);
    else this.#seen.push(value);
  }

  next(what) {
    if (this.#seen.length) return Promise.resolve(this.#seen.shift());
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }
}

// The closes of the sockets, each after the client has heard of it.
export const closings = new Happenings();

// Called before the client's own listener, so in the transcript the client's events follow.
function gone(code, reason) {
  note('socket gone', { code, reason: String(reason) });
  setImmediate(() => closings.add());
}

// Node's sockets send neither cookie nor Origin by themselves, a browser's do.

export function openSocket(url) {
  note('socket', { url });
  const headers = options.cookie ? { Cookie: options.cookie } : {};
  const socket = new WebSocket(url, { headers, origin: options.origin });
  socket.on('close', gone);
  return socket;
}

// Node's fetch sends no cookies either.
const plainFetch = globalThis.fetch;

export function fetchLikeABrowser(address, init = {}) {
  const headers = new Headers(init.headers);
  if (options.cookie && String(address).startsWith(base)) headers.set('Cookie', options.cookie);
  return plainFetch(address, { ...init, headers });
}

// A failed call in a transcript: what the client shows of the error, without the stack.
export async function noteFailure(event, promise) {
  try {
    await within(promise, event);
    note(event, { failed: false });
  } catch (error) {
    const { code, parameter } = error;
    note(event, { failed: true, name: error.name, code, parameter, message: error.message });
  }
}

// Have the Python side lose the socket in this way; resolves when the client knows.
export async function lose(how) {
  await ask(how.abort ? 'abort' : 'close', how);
  await closings.next('the socket to close');
}

// Run the scenario that the options name; the process ends when it has ended.
export async function run(scenarios) {
  try {
    const scenario = scenarios[options.scenario];
    if (!scenario) throw new Error(`no scenario ${options.scenario}; there are ${Object.keys(scenarios)}`);
    await scenario();
  } catch (error) {
    process.stderr.write(`${error.stack ?? error.message ?? JSON.stringify(error)}\n`);
    process.exitCode = 1;
  }
  process.stdout.write('', () => process.exit());
}
