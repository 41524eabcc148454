// Node's http-proxy as its README shows it, with what everybody adds: kept-alive connections, WebSockets, an access log.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const httpProxy = require("http-proxy");

const settings = JSON.parse(process.argv[2]);
const accessLog = fs.createWriteStream(settings.accessLog);
const certificate = { cert: fs.readFileSync(settings.certificate), key: fs.readFileSync(settings.key) };
const idle = { keepAlive: true, maxFreeSockets: settings.pool };

function refuse(error, request, answer) {
  console.error(`${request.method} ${request.url}: ${error.message}`);
  if (answer.writeHead && !answer.headersSent) {
    answer.writeHead(502);
    answer.end();
  } else {
    answer.destroy();
  }
}

function serve(server, port, options) {
  const proxy = httpProxy.createProxyServer({ xfwd: true, ...options });
  proxy.on("error", refuse);
  server.keepAliveTimeout = 75_000;
  server.on("request", (request, answer) => {
    answer.on("finish", () => {
      const { method, url, socket } = request;
      const line = `"${method} ${url}" ${answer.statusCode} "${request.headers["user-agent"]}"`;
      accessLog.write(`${socket.remoteAddress} [${new Date().toISOString()}] ${line}\n`);
    });
    proxy.web(request, answer);
  });
  server.on("upgrade", (request, socket, head) => proxy.ws(request, socket, head));
  server.listen({ port, host: settings.host, backlog: 4096 });
}

const plain = { target: settings.upstream, agent: new http.Agent(idle) };
const ca = fs.readFileSync(settings.ca);
const encrypted = { target: settings.upstreamTls, secure: true, agent: new https.Agent({ ...idle, ca }) };

serve(http.createServer(), settings.ports.plain, plain);
serve(https.createServer(certificate), settings.ports.tls, plain);
serve(https.createServer(certificate), settings.ports.tls_both, encrypted);
process.on("SIGTERM", () => process.exit(0));
