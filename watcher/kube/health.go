package kube

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"legation.dev/object"
)

// Condition is what keeps a Source from reading a kind, in plain words.
type Condition struct {
	Kind object.Kind
	Text string // "Service: forbidden: our role lacks the right (...)"
}

// String is the text.
func (c Condition) String() string { return c.Text }

// health is what is known of the following of one kind: is it listed, and what
// went wrong last. It logs a line when that changes.
type health struct {
	kind object.Kind
	what string // "Ingress", "Secret in namespace shop"
	log  *slog.Logger

	mu      sync.Mutex
	listed  bool
	reason  string // why it cannot be followed now; empty if it can
	details string
	away    bool      // no watch is open that misses nothing
	since   time.Time // when it was back from the last trouble
	refused time.Time // since when the API server refuses it; zero if it does not
}

// failed says that a list or watch has failed, and returns for how long the API server has
// refused it; zero if the failure is another one.
func (h *health) failed(err error, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = true
	reason := reasonOf(err)
	if h.details = err.Error(); h.reason != reason {
		h.reason = reason
		h.log.Warn("cannot follow "+h.what+"; what was read stays", "reason", reason, "err", err)
	}
	if !refusal(err) {
		return 0
	}
	if h.refused.IsZero() {
		h.refused = now
	}
	return now.Sub(h.refused)
}

// refusal reports whether an error is the API server's own word that we may not have what
// we ask for, or that it knows nothing of the sort.
func refusal(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// ended says that the watch has ended.
func (h *health) ended() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = true
}

// follows says that a watch is open. Unless it begins with a list, it goes on where
// the last one, or a list, has ended. That a server ends a watch from time to time is
// no trouble, if the next one is open immediately.
func (h *health) follows(listing bool, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away && !listing {
		h.away = false
		if h.reason != "" {
			h.since = now
		}
	}
	if h.reason != "" {
		h.log.Info("following "+h.what+" again", "after", h.reason)
	}
	h.reason, h.details, h.refused = "", "", time.Time{}
}

// complete says that all there is was read.
func (h *health) complete(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listed = true
	if h.away {
		h.away, h.since = false, now
	}
}

// followedSince is when the last trouble was over; now if it is not.
func (h *health) followedSince(now time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return now
	}
	return h.since
}

// waiting is what is amiss; false if nothing is.
func (h *health) waiting() (Condition, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.reason != "":
		return Condition{h.kind, fmt.Sprintf("%s: %s (%s)", h.what, h.reason, h.details)}, true
	case !h.listed:
		return Condition{h.kind, h.what + ": not listed yet"}, true
	}
	return Condition{}, false
}

// errUnconfirmed is the error of a list that is empty against what is known.
var errUnconfirmed = errors.New("the list is empty, but a second look found objects")

// reasonOf says in plain words why a request failed.
func reasonOf(err error) string {
	var status apierrors.APIStatus
	switch {
	case apierrors.IsForbidden(err):
		return "forbidden: our role lacks the right"
	case refusal(err):
		return "the API server knows no such kind or namespace"
	case apierrors.IsUnauthorized(err):
		return "the API server does not accept our credentials"
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return "the version that we had has expired; all is read anew"
	case apierrors.IsTooManyRequests(err):
		return "the API server is overloaded"
	case errors.Is(err, errUnconfirmed):
		return "an empty list is not believed"
	case errors.As(err, &status):
		return "the API server answers with an error"
	case utilnet.IsConnectionRefused(err), utilnet.IsConnectionReset(err), utilnet.IsTimeout(err), utilnet.IsProbableEOF(err):
		return "the API server cannot be reached"
	}
	return "the request failed"
}
