// A server of Node with its defaults: serve.js NAME PORT. Modules come from the folder in
// MODULES. Those that read no body by themselves leave it to the server.
const path = require("path");
const module_ = (name) => require(path.join(process.env.MODULES, "node_modules", name));
const [, , name, port] = process.argv;
const at = { port: Number(port), host: "127.0.0.1" };

const servers = {
  node: () => require("http").createServer((request, response) => response.end("ok")).listen(at),
  express: () => module_("express")().use((request, response) => response.send("ok")).listen(at.port, at.host),
  fastify: () => {
    const app = module_("fastify")({ bodyLimit: 1 << 30 });
    app.addContentTypeParser("*", (request, payload, done) => done(null));
    app.all("/*", (request, reply) => reply.send("ok"));
    return app.listen(at);
  },
  hapi: () => {
    const server = module_("@hapi/hapi").server({ ...at });
    server.route({ method: "*", path: "/{path*}", options: { payload: { parse: false, output: "stream" } }, handler: () => "ok" });
    server.route({ method: "GET", path: "/{path*}", handler: () => "ok" });
    return server.start();
  },
  koa: () => {
    const app = new (module_("koa"))();
    app.use((context) => { context.body = "ok"; });
    return app.listen(at.port, at.host);
  },
  hono: () => {
    const { Hono } = module_("hono");
    const app = new Hono();
    app.all("*", (context) => context.text("ok"));
    return module_("@hono/node-server").serve({ fetch: app.fetch, port: at.port, hostname: at.host });
  },
  polka: () => module_("polka")().use((request, response) => response.end("ok")).listen(at.port, at.host),
};
servers[name]();
