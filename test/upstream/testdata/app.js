// What app.py is, with the defaults of Node's http server, on the socket of the
// first argument.
const http = require("http");
const executed = new Map();
let all = 0, twice = 0;

http.createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    if (request.url === "/twice") return response.end(`${all} ${twice}`);
    const key = request.method + " " + request.url;
    const n = (executed.get(key) || 0) + 1;
    executed.set(key, n);
    all++;
    if (n === 2 && request.method === "POST") twice++;
    response.end("ok");
  });
}).listen(process.argv[2]);
