// Real enigma.js against a virtual proxy: `node enigma_evening.mjs '{"base": ..., "scenario": ...}'`.
//
// enigma.js asks its user for a socket; the one given here sends cookie and Origin as a browser would. The csrf
// token is fetched before each socket and put into the address, which is what Qlik's own pages do around enigma.js.
import { createRequire } from 'node:module';
import enigma from 'enigma.js';
import SenseUtilities from 'enigma.js/sense-utilities.js';
import {
  Happenings, ask, base, closings, fetchLikeABrowser, lose, note, noteFailure, openSocket, options, run, within,
} from './transcript.mjs';

const schema = createRequire(import.meta.url)('enigma.js/schemas/12.2027.0.json');
const CHART = 'chart-sales-by-region';
const CUBE = '/qHyperCubeDef';

async function tokenParameters() {
  if (!options.csrf) return {};
  const answer = await fetchLikeABrowser(`${base}/qps/csrftoken`);
  return { 'qlik-csrf-token': answer.headers.get('qlik-csrf-token') };
}

async function address(place) {
  const { protocol, hostname, port, pathname } = new URL(base);
  const urlParams = { reloadUri: `${base}/sense/app/${options.app}`, ...(await tokenParameters()) };
  const host = { host: hostname, port, prefix: pathname, secure: protocol === 'https:' };
  return SenseUtilities.buildUrl({ ...host, urlParams, ...place });
}

// A session whose every event stands in the transcript. Greeting frames may come with the answer to the upgrade or
// after it, so they are noted together when both are there.
async function openSession(place, { suspendOnClose = false } = {}) {
  const session = enigma.create({ schema, url: await address(place), createSocket: openSocket, suspendOnClose });
  const notices = new Happenings();
  session.on('notification:*', (method, params) => notices.add({ method, params }));
  for (const word of ['opened', 'closed', 'suspended', 'resumed', 'socket-error']) {
    session.on(word, ({ initiator, code, reason } = {}) => note(word, { initiator, code, reason }));
  }
  const global = await within(session.open(), 'the session to open');
  return { session, global, notices };
}

async function noteGreeting(notices) {
  for (const which of ['first', 'second']) note('notification', await notices.next(`the ${which} greeting`));
}

async function openEvening(place, more) {
  const opened = await openSession(place, more);
  await noteGreeting(opened.notices);
  return opened;
}

async function end(session) {
  await session.close();
  await closings.next('the socket to close');
}

function lines(pages) {
  return pages[0].qMatrix.map((line) => line.map((cell) => `${cell.qText} ${cell.qState}`));
}

async function selectAndSee(chart) {
  const changed = new Promise((resolve) => chart.once('changed', resolve));
  note('selected', { done: await within(chart.selectHyperCubeValues(CUBE, 0, [2, 5], false), 'the selection') });
  await within(changed, 'the change');
  note('changed', { id: chart.id });
  const { qHyperCube } = await chart.getLayout();
  note('layout after selection', { size: qHyperCube.qSize, lines: lines(qHyperCube.qDataPages) });
}

async function evening() {
  const { session, global } = await openEvening({ appId: options.app });
  note('version', await global.engineVersion());
  note('user', { user: await global.getAuthenticatedUser() });
  await noteFailure('active doc', global.getActiveDoc());
  const doc = await global.openDoc(options.app);
  note('doc', { id: doc.id, title: (await doc.getAppLayout()).qTitle });
  const chart = await doc.getObject(CHART);
  const { title, qHyperCube } = await chart.getLayout();
  note('layout', { title, size: qHyperCube.qSize, total: qHyperCube.qGrandTotalRow[0].qNum });
  const page = { qTop: 1, qLeft: 0, qWidth: 2, qHeight: 3 };
  note('data', { lines: lines(await chart.getHyperCubeData(CUBE, [page])) });
  await selectAndSee(chart);
  await noteFailure('object', doc.getObject('no-such-object'));
  await noteFailure('reload', doc.doReload());
  await end(session);
}

// First the engine session lives on and is found again, then it is gone and everything is opened anew.
async function resume() {
  const place = { appId: options.app, identity: 'tab 1', ttl: 60 };
  const { session, global, notices } = await openEvening(place, { suspendOnClose: true });
  const doc = await global.openDoc(options.app);
  const chart = await doc.getObject(CHART);
  await chart.selectHyperCubeValues(CUBE, 0, [2], false);
  const suspended = new Happenings();
  session.on('suspended', () => suspended.add());
  for (const [how, onlyIfAttached] of [[{ abort: true }, true], [{ code: 1012, reason: 'Service restart' }, false]]) {
    await lose(how);
    await suspended.next('suspended');
    if (!onlyIfAttached) await ask('forget engine sessions');
    session.rpc.url = await address(place);
    const changed = new Promise((resolve) => doc.once('changed', resolve));
    await within(session.resume(onlyIfAttached), 'the session to resume');
    await noteGreeting(notices);
    await within(changed, 'the document to change');
    note('resumed document', { regions: (await chart.getLayout()).qHyperCube.qSize.qcy });
  }
  await end(session);
}

async function sessionApp() {
  const { session, global } = await openEvening({ route: `app/%3Ftransient%3D/identity/${Date.now()}` });
  const doc = await global.createSessionApp();
  note('session app', { id: doc.id, empty: !(await doc.getAppLayout()).qHasData });
  await end(session);
}

// Each way of losing a socket, with and without suspendOnClose. After 1000 and 4000 nothing but the socket's own
// close stands in the transcript: enigma.js keeps silent.
async function eachWay() {
  for (const suspendOnClose of [false, true]) {
    for (const [number, how] of options.ways.entries()) {
      note('way', { suspendOnClose, ...how });
      const place = { appId: options.app, identity: `way-${suspendOnClose}-${number}` };
      const { global } = await openEvening(place, { suspendOnClose });
      await global.engineVersion();
      await lose(how);
      await noteFailure('request afterwards', global.engineVersion());
    }
  }
}

// The proxy session ends while the socket is open: told in Qlik's words, then closed.
async function expired() {
  const { global, notices } = await openEvening({ appId: options.app });
  await global.engineVersion();
  await ask('expire');
  await closings.next('the socket to close'); // by then "closed" stands in the transcript
  note('notification', await notices.next('the end of the session'));
}

// No session: the upgrade is accepted only to say where to log in. Whatever the refusal, the client's view of it.
async function turnedAway() {
  const refused = ({ message }) => note('not opened', { message });
  const opened = await openSession({ appId: options.app }).catch(refused);
  await closings.next('the socket to close'); // by then "closed" stands in the transcript
  if (opened) note('notification', await opened.notices.next('the refusal'));
}

await run({ evening, resume, sessionApp, closings: eachWay, expired, turnedAway });
