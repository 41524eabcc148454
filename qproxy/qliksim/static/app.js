// One chart over the engine socket: open, ask, draw, and draw again whenever the engine says that it changed.
import { home, say, showUser } from "./session.js";

const app = document.body.dataset.app;
const SVG = "http://www.w3.org/2000/svg";
const waiting = new Map();
let socket;
let chart;
let last = 0;
let ended = false;

const endings = {
  OnSessionLoggedOut: "Session ended: you have been logged out.",
  OnSessionTimedOut: "Session ended: no activity for too long.",
  OnSessionClosed: "Session ended by the server.",
  OnLicenseAccessDenied: "Session ended: no licence for this app.",
  OnMaxParallelSessionsExceeded: "Session ended: too many sessions at the same time.",
  OnNoEngineAvailable: "Connection lost: no engine for this app.",
};

function end(text) {
  if (!ended) say(text, "lost");
  ended = true;
}

function request(handle, method, params = []) {
  const id = ++last;
  socket.send(JSON.stringify({ jsonrpc: "2.0", id, handle, method, params }));
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

async function token() {
  const reply = await fetch(`${home}qps/csrftoken`);
  return reply.headers.get("qlik-csrf-token") ?? "";
}

async function address() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const query = `reloadUri=${encodeURIComponent(location.href)}&qlik-csrf-token=${encodeURIComponent(await token())}`;
  return `${scheme}://${location.host}${home}app/${encodeURIComponent(app)}?${query}`;
}

function receive(message) {
  if (message.method === "OnAuthenticationInformation" && message.params.mustAuthenticate) {
    end("Session ended: please log in again.");
  } else if (message.method === "OnConnected") {
    open().catch((error) => end(`Connection lost: ${error.message}`));
  } else if (endings[message.method]) {
    end(endings[message.method]);
  } else if (waiting.has(message.id)) {
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  }
  if (chart && message.change?.includes(chart)) draw();
}

async function open() {
  const user = await request(-1, "GetAuthenticatedUser");
  document.getElementById("user").textContent = user.qReturn.replace(/UserDirectory=(.*); UserId=(.*)/, "$1\\$2");
  const doc = (await request(-1, "OpenDoc", [app])).qReturn.qHandle;
  const { qInfos } = await request(doc, "GetAllInfos");
  const bar = qInfos.find((each) => each.qType === "barchart");
  chart = (await request(doc, "GetObject", [bar.qId])).qReturn.qHandle;
  document.getElementById("clear").addEventListener("click", () => request(doc, "ClearAll", [false, ""]));
  document.getElementById("chart").addEventListener("click", (event) => {
    const bar = event.target.closest("g");
    if (bar) request(chart, "SelectHyperCubeValues", ["/qHyperCubeDef", 0, [Number(bar.dataset.number)], true]);
  });
  await draw();
  say("Live", "live");
}

async function draw() {
  const { qLayout } = await request(chart, "GetLayout");
  const page = { qTop: 0, qLeft: 0, qWidth: 2, qHeight: 20 };
  const { qDataPages } = await request(chart, "GetHyperCubeData", ["/qHyperCubeDef", [page]]);
  document.getElementById("chart-title").textContent = qLayout.title;
  const bars = qDataPages[0].qMatrix.map(([name, value]) => ({
    name: name.qText, number: name.qElemNumber, state: name.qState, value: value.qNum,
  }));
  render(bars);
}

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function render(bars) {
  const [width, height, foot, top] = [800, 360, 40, 30];
  const highest = Math.max(...bars.map((bar) => bar.value), 1);
  const step = width / Math.max(bars.length, 1);
  const picture = node("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Bar chart" });
  bars.forEach((bar, at) => {
    const size = ((height - foot - top) * bar.value) / highest;
    const middle = at * step + step / 2;
    const kind = bar.state === "S" ? "chosen" : "";
    const group = node("g", { class: kind, "data-number": bar.number, "data-name": bar.name, "data-value": bar.value });
    group.append(
      node("rect", { x: at * step + step * 0.15, y: height - foot - size, width: step * 0.7, height: size, rx: 4 }),
      node("text", { x: middle, y: height - foot - size - 8, class: "value" }, Math.round(bar.value).toLocaleString("en")),
      node("text", { x: middle, y: height - 14 }, bar.name),
    );
    picture.append(group);
  });
  document.getElementById("chart").replaceChildren(picture);
}

showUser().catch(() => {});
socket = new WebSocket(await address());
socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
socket.addEventListener("close", (event) => end(`Connection lost (${event.code})`));
