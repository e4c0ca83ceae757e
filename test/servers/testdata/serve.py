"""A server that has no command of its own, with its defaults: serve.py NAME PORT."""

import sys

from app import wsgi

name, port = sys.argv[1], int(sys.argv[2])

if name == "aiohttp":
    from aiohttp import web

    async def handle(request):
        if request.path != "/unread":
            await request.read()
        return web.Response(text="ok")

    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", handle)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)
elif name == "waitress":
    import waitress

    waitress.serve(wsgi, host="127.0.0.1", port=port, _quiet=True)
elif name == "cheroot":
    from cheroot import wsgi as cheroot

    cheroot.Server(("127.0.0.1", port), wsgi).start()
elif name == "sanic":
    from sanic import Sanic, text

    app = Sanic("bench")

    @app.route("/<path:path>", methods=["GET", "POST"], stream=True)
    async def handle(request, path):
        while path != "unread" and request.stream and await request.stream.read():
            pass
        return text("ok")

    app.run(host="127.0.0.1", port=port, single_process=True, motd=False, access_log=False)
elif name == "tornado":
    import asyncio

    from tornado import web

    class Handler(web.RequestHandler):
        def get(self):
            self.write("ok")

        post = get

    async def main():
        web.Application([("/.*", Handler)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(main())
elif name == "twisted":
    from twisted.internet import reactor
    from twisted.web import resource, server

    class Root(resource.Resource):
        isLeaf = True

        def render(self, request):
            return b"ok"

    reactor.listenTCP(port, server.Site(Root()), interface="127.0.0.1")
    reactor.run()
elif name == "werkzeug":
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", port, wsgi)
elif name == "wsgiref":
    from wsgiref.simple_server import make_server

    make_server("127.0.0.1", port, wsgi).serve_forever()
elif name == "http.server":
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        do_POST = do_GET

    ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever()
else:
    sys.exit("no such server: " + name)
