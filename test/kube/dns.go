//go:build real

package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// dnsAddress is where the DNS of a cluster answers: in the net of PodRange that
	// pods have no addresses of.
	dnsAddress = "10.244.0.255"
	// dnsZone is what it knows; nothing else exists.
	dnsZone = "svc.cluster.local."
	// dnsTTL is, in seconds, how long its answers hold, also those that there is
	// nothing: CoreDNS's default.
	dnsTTL = 5
	// dnsSize is the largest query in bytes: what EDNS allows over UDP as a rule.
	dnsSize = 1232
)

// dns is the DNS of a cluster, as CoreDNS is one: it answers over UDP with the ready
// addresses of headless Services, and says of one that has none that it does not exist.
// Services with an address of their own it does not know: nobody is there at theirs.
type dns struct {
	socket   net.PacketConn
	services *mirror[*corev1.Service]
	slices   *mirror[*discoveryv1.EndpointSlice]
	cancel   context.CancelFunc
	done     sync.WaitGroup
}

// startDNS starts the DNS of a cluster. Whoever calls it calls close.
func startDNS(client kubernetes.Interface) (*dns, error) {
	socket, err := net.ListenPacket("udp", net.JoinHostPort(dnsAddress, "53"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &dns{socket: socket, services: newMirror[*corev1.Service](func(string) {}),
		slices: newMirror[*discoveryv1.EndpointSlice](func(string) {}), cancel: cancel}
	d.done.Go(func() { follow(ctx, client.CoreV1().Services(""), d.services) })
	d.done.Go(func() { follow(ctx, client.DiscoveryV1().EndpointSlices(""), d.slices) })
	d.done.Go(d.serve)
	return d, nil
}

func (d *dns) close() error {
	d.cancel()
	err := d.socket.Close()
	d.done.Wait()
	return err
}

// serve answers until the socket is closed. What is no query gets no answer.
func (d *dns) serve() {
	buffer := make([]byte, dnsSize)
	for {
		n, from, err := d.socket.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an earlier asker is gone
		}
		var query dnsmessage.Message
		if query.Unpack(buffer[:n]) != nil || query.Response || len(query.Questions) != 1 {
			continue
		}
		answer := d.answer(query)
		if text, err := answer.Pack(); err == nil {
			_, _ = d.socket.WriteTo(text, from) // who gets none asks again
		}
	}
}

// answer is the answer to a query of one question.
func (d *dns) answer(query dnsmessage.Message) dnsmessage.Message {
	q := query.Questions[0]
	a := dnsmessage.Message{Questions: query.Questions, Header: dnsmessage.Header{
		ID: query.ID, Response: true, Authoritative: true, RecursionDesired: query.RecursionDesired}}
	addresses := d.addresses(q.Name.String())
	if len(addresses) == 0 {
		a.RCode = dnsmessage.RCodeNameError
	} else if q.Type == dnsmessage.TypeA {
		for _, address := range addresses {
			a.Answers = append(a.Answers, dnsmessage.Resource{Body: &dnsmessage.AResource{A: address.As4()},
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: dnsTTL}})
		}
	}
	if len(a.Answers) == 0 { // how long that holds is in the SOA (RFC 2308)
		zone := dnsmessage.MustNewName(dnsZone)
		a.Authorities = []dnsmessage.Resource{{Body: &dnsmessage.SOAResource{NS: zone, MBox: zone, MinTTL: dnsTTL},
			Header: dnsmessage.ResourceHeader{Name: zone, Class: dnsmessage.ClassINET, TTL: dnsTTL}}}
	}
	return a
}

// addresses are those that NAME.NAMESPACE.svc.cluster.local. stands for, in order.
// Where a Service publishes addresses that are not ready, its slices call them ready.
func (d *dns) addresses(name string) (all []netip.Addr) {
	of, ok := strings.CutSuffix(strings.ToLower(name), "."+dnsZone)
	service, namespace, two := strings.Cut(of, ".")
	s, known := d.services.get(namespace + "/" + service)
	if !ok || !two || !known || s.Spec.ClusterIP != corev1.ClusterIPNone {
		return nil
	}
	for _, slice := range d.slices.all() {
		if slice.Namespace != namespace || slice.Labels[discoveryv1.LabelServiceName] != service || slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for _, e := range slice.Endpoints {
			if ready := e.Conditions.Ready; ready != nil && !*ready {
				continue
			}
			for _, text := range e.Addresses {
				all = append(all, netip.MustParseAddr(text)) // the API server has checked it
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// resolvConf is what a kubelet writes for pods of a namespace (dnsPolicy ClusterFirst).
func resolvConf(namespace string) []byte {
	return fmt.Appendf(nil, "nameserver %s\nsearch %s.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n", dnsAddress, namespace)
}

// resolve makes all processes of the tests' mount namespace ask the DNS of the cluster,
// as pods of the namespace default do. The file itself is not needed once it is mounted.
func resolve() error {
	dir, err := os.MkdirTemp("", "dns")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := dir + "/resolv.conf"
	if err := os.WriteFile(file, resolvConf(corev1.NamespaceDefault), 0o644); err != nil {
		return err
	}
	if err := syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting over /etc/resolv.conf: %w", err)
	}
	return nil
}
