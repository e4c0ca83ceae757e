"""The application behind the Python servers of the test: it counts how often each
request was executed. GET /twice answers "all twice": how many were, and how many of
them that are not idempotent, POST, more than once."""

import collections
import threading

executed = collections.Counter()
lock = threading.Lock()


def serve(method, path):
    with lock:
        if path == "/twice":
            twice = sum(1 for request, n in executed.items() if n > 1 and request.startswith("POST"))
            return f"{sum(executed.values())} {twice}".encode()
        executed[method + " " + path] += 1
        return b"ok"


def wsgi(environ, start):
    if environ["PATH_INFO"] != "/unread":
        environ["wsgi.input"].read()
    body = serve(environ["REQUEST_METHOD"], environ["PATH_INFO"])
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = serve(scope["method"], scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
