// Real @qlik/api against a virtual proxy: `node qlik_api_evening.mjs '{"base": ..., "scenario": ...}'`.
//
// Under Node @qlik/api logs in to client-managed sites only with a token that it exchanges for a cookie. A person's
// browser already has the cookie, and that is what is tested here, so this script looks like a browser's page to it:
// a window and a document, a fetch that sends the cookie, and (by its own hook `createWebSocket`) sockets with cookie
// and Origin. All else is the library as it is: it finds out by itself that this is a Windows site
// (product-info.json), takes its "windowscookie" login, makes an xrfkey, fetches the csrf token before each socket,
// and builds the addresses.
import {
  Happenings, ask, base, closings, fetchLikeABrowser, lose, note, noteFailure, openSocket, options, run, within,
} from './transcript.mjs';

const CHART = 'chart-sales-by-region';
const CUBE = '/qHyperCubeDef';

const storage = { getItem: () => null, setItem() {}, removeItem() {} };
const ignored = { addEventListener() {}, removeEventListener() {} };
Object.assign(globalThis, ignored, {
  window: globalThis,
  self: globalThis,
  document: { visibilityState: 'visible', ...ignored },
  localStorage: storage,
  sessionStorage: storage,
  navigator: { userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) page', onLine: true },
  location: new URL(`${options.origin}/page`),
  fetch: noteFetch,
});

async function noteFetch(address, init) {
  const answer = await fetchLikeABrowser(address, init);
  const token = answer.headers.has('qlik-csrf-token');
  note('fetch', { method: init?.method ?? 'GET', url: String(address), status: answer.status, token });
  return answer;
}

const { default: qlik } = await import('@qlik/api');
const site = qlik.qix.withHostConfig({ host: base, createWebSocket: openSocket });

// An app session whose every event stands in the transcript.
function watched(appSession) {
  const events = { opened: new Happenings(), suspended: new Happenings(), resumed: new Happenings() };
  appSession.onWebSocketEvent(({ eventType, code, reason, initiator }) => {
    note(eventType, { code, reason, initiator });
    events[eventType]?.add();
  });
  return events;
}

function openApp(more = {}) {
  const appSession = site.openAppSession({ appId: options.app, ...more });
  return { appSession, events: watched(appSession) };
}

async function end(appSession) {
  await appSession.close({ websocketCloseDelay: -1 });
  await closings.next('the socket to close');
}

async function evening() {
  for (const autoResume of [false, true]) {
    const { appSession } = openApp({ autoResume, identity: `tab-${autoResume}` });
    const doc = await within(appSession.getDoc(), 'the document');
    note('doc', { id: doc.id, title: (await doc.getAppLayout()).qTitle, state: doc.session.sessionState });
    const chart = await doc.getObject(CHART);
    const { qHyperCube } = await chart.getLayout();
    note('layout', { size: qHyperCube.qSize, total: qHyperCube.qGrandTotalRow[0].qNum });
    await selectAndSee(chart);
    await noteFailure('reload', doc.doReload());
    await end(appSession);
  }
}

async function selectAndSee(chart) {
  const changed = new Promise((resolve) => chart.once('changed', resolve));
  note('selected', { done: await within(chart.selectHyperCubeValues(CUBE, 0, [2, 5], false), 'the selection') });
  await within(changed, 'the change');
  const { qHyperCube } = await chart.getLayout();
  note('layout after selection', { size: qHyperCube.qSize });
}

// The address is the one that @qlik/api's own createSessionApp makes; its public parts do not reach that function.
async function sessionApp() {
  const { appSession } = openApp({ appId: `%3Ftransient%3D/identity/${Date.now()}`, useSessionApp: true });
  const doc = await within(appSession.getDoc(), 'the document');
  note('session app', { id: doc.id, empty: !(await doc.getAppLayout()).qHasData });
  await end(appSession);
}

// Each way of losing a socket. With autoResume some codes make the client come back by itself, after the others it
// waits for the person; without it, all is enigma.js.
async function eachWay() {
  for (const [number, how] of options.ways.entries()) {
    note('way', how);
    const { appSession, events } = openApp({ autoResume: true, identity: `way-${number}`, ttlSeconds: 60 });
    const doc = await within(appSession.getDoc(), 'the document');
    await events.opened.next('opened');
    await lose(how);
    await events.suspended.next('suspended');
    if (!how.resumes) appSession.resume();
    await events.resumed.next('resumed');
    note('resumed document', { title: (await doc.getAppLayout()).qTitle, state: doc.session.sessionState });
    await end(appSession);
  }
}

async function resume() {
  const { appSession, events } = openApp({ autoResume: true, identity: 'tab-1', ttlSeconds: 60 });
  const doc = await within(appSession.getDoc(), 'the document');
  const chart = await doc.getObject(CHART);
  await chart.selectHyperCubeValues(CUBE, 0, [2], false);
  for (const forget of [false, true]) {
    await lose({ abort: true });
    await events.suspended.next('suspended');
    if (forget) await ask('forget engine sessions');
    appSession.resume();
    await events.resumed.next('resumed');
    const regions = (await chart.getLayout()).qHyperCube.qSize.qcy;
    note('resumed document', { state: doc.session.sessionState, regions });
  }
  await end(appSession);
}

// The proxy session ends while the socket is open: without autoResume @qlik/api makes a "suspended" with its own code
// 4001 of Qlik's notice and nothing of the close that follows.
async function expired() {
  const { appSession, events } = openApp();
  await within(appSession.getDoc(), 'the document');
  await ask('expire');
  await events.suspended.next('suspended');
  await closings.next('the socket to close');
}

await run({ evening, resume, sessionApp, closings: eachWay, expired });
