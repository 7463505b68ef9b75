// A shop that knows nothing of the proxy before it. Node's own modules only.
//   node server.js PORT DATA_DIR
"use strict";
const fs = require("fs");
const http = require("http");
const path = require("path");

const port = Number(process.argv[2] || process.env.PORT);
const dataDir = process.argv[3] || ".";
const instance = process.env.FLEET_INSTANCE || "none";
const version = fs.readFileSync(path.join(__dirname, "VERSION"), "utf8").trim();
const ledger = fs.openSync(path.join(dataDir, `ledger-${instance}.log`), "a");
let stopping = false;

// Every line names the version and the last one is a checksum (FNV-1a), so that a client can tell a mixed or cut page.
function page(prefix, lines) {
  const text = `${prefix}version=${version} instance=${instance}\n`.repeat(lines);
  let sum = 2166136261;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 16777619);
  return text + "sum=" + (sum >>> 0).toString(16).padStart(8, "0") + "\n";
}

function answer(response, status, text, headers = {}) {
  if (stopping) headers.Connection = "close";
  response.writeHead(status, { "Content-Type": "text/plain", "Content-Length": Buffer.byteLength(text), ...headers });
  response.end(text);
}

function transaction(request, response) {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => {
    body += piece;
    if (body.length > 1 << 20) request.destroy();
  });
  request.on("end", () => {
    const id = request.headers["x-transaction-id"] || "";
    if (!/^[\w-]{1,100}$/.test(id) || !body.includes(id)) return answer(response, 400, "id and body do not agree\n");
    fs.writeSync(ledger, id + "\n"); // before the client hears of it
    answer(response, 200, page(`tx=${id} `, 1));
  });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://any");
  switch (url.pathname) {
    case "/health":
      return answer(response, 200, "healthy\n");
    case "/tx":
      return request.method === "POST" ? transaction(request, response) : answer(response, 405, "POST only\n");
    case "/slow":
      return setTimeout(() => answer(response, 200, page("", 40)), Math.min(60000, Number(url.searchParams.get("ms"))));
    case "/login": // absolute, with the port that only the proxy should know
      return answer(response, 302, "", { Location: `http://127.0.0.1:${port}/` });
    case "/":
      return answer(response, 200, page("", 40));
    default:
      return answer(response, 404, "no such page\n");
  }
});
// Longer than the proxy keeps an idle connection, so that it is the proxy that closes them.
server.keepAliveTimeout = 75000;
server.listen(port, "127.0.0.1", () => console.log(`shop ${version} listens on ${port}`));

process.on("SIGTERM", () => {
  stopping = true;
  server.close(() => process.exit(0)); // once every request is answered
  server.closeIdleConnections();
});
