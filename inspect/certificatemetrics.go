package inspect

import (
	"slices"
	"time"

	"legation.dev/translator"
)

// CertificatesShown is how many certificates of hosts have metrics of their own: those that
// end first. Without a limit, the number of time series would grow with that of TLS hosts.
const CertificatesShown = 20

// overShown is how many of these may have ended already, the last ones to do so: what ended
// long ago and nobody misses must not hide what is about to end.
const overShown = 5

var (
	hostEnd = desc("host_certificate_end_timestamp_seconds",
		"When the certificate of a host ends, of the 20 that end first in all fleets. At most 5 of them have ended already.", "fleet", "host", "secret")
	hostDue = desc("host_certificate_renewal_due_timestamp_seconds",
		"When the same certificate should have been renewed at the latest: a tenth of its time before its end, at most 14 days.", "fleet", "host", "secret")
)

// hostCertificate is that of a TLS host.
type hostCertificate struct {
	fleet, host, secret string
	due, end            time.Time
}

// firstEnds are the certificates that end first, of those that have not yet and of those
// that have.
type firstEnds struct {
	now         time.Time
	ahead, over []hostCertificate // the nearest first
}

// add keeps the certificates of a fleet that are nearer than those that are there.
func (f *firstEnds) add(fleet *translator.Fleet) {
	for host, e := range fleet.Ends {
		c := hostCertificate{fleet: fleet.Name, host: host, secret: e.Object.Key(), due: e.After, end: e.Until}
		if c.end.After(f.now) {
			f.ahead = nearest(f.ahead, c, CertificatesShown, func(a, b hostCertificate) int { return a.end.Compare(b.end) })
		} else {
			f.over = nearest(f.over, c, overShown, func(a, b hostCertificate) int { return b.end.Compare(a.end) })
		}
	}
}

// nearest is a sorted list with one more in its place, of at most so many. Of equals the
// first comes first: fleets and hosts come sorted, so that all replicas show the same.
func nearest(list []hostCertificate, c hostCertificate, most int, compare func(a, b hostCertificate) int) []hostCertificate {
	at, _ := slices.BinarySearchFunc(list, c, func(a, b hostCertificate) int {
		if compare(a, b) <= 0 {
			return -1
		}
		return 1
	})
	if at == most {
		return list
	}
	list = slices.Insert(list, at, c)
	return list[:min(len(list), most)]
}

// send sends those that end first.
func (f *firstEnds) send(g gauges) {
	all := slices.Concat(f.over, f.ahead)
	for _, c := range all[:min(len(all), CertificatesShown)] {
		g.send(hostEnd, float64(c.end.Unix()), c.fleet, c.host, c.secret)
		g.send(hostDue, float64(c.due.Unix()), c.fleet, c.host, c.secret)
	}
}
