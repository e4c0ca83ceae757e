package certificates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"legation.dev/xds/identity"
)

const (
	// Life of a pair, and authorityLife of a CA: those of `legation certs`.
	Life          = 365 * 24 * time.Hour
	authorityLife = 10 * Life
	// lookEvery is how often Secrets are looked at that somebody may have deleted.
	lookEvery = time.Hour
	// tryAgain is how long after a failure.
	tryAgain = 10 * time.Second
	// rounds bounds how often a pass begins anew because another replica was first.
	rounds = 10
	// requestPatience bounds one request to a server that does not answer.
	requestPatience = 30 * time.Second
)

// Config says which Secrets are kept, and where. REST and Set must be set.
type Config struct {
	REST *rest.Config
	Set
	// Life is how long a new pair is valid; 0 means Life, a year.
	Life time.Duration
	// Log gets a line for each Secret that is written; nil means slog.Default().
	Log *slog.Logger
}

// Keeper keeps the Secrets. Its methods may be called from any goroutine, also of several
// replicas: a Secret that another one has written meanwhile is read again.
type Keeper struct {
	set   Set
	lives lives
	api   kubernetes.Interface
	log   *slog.Logger
}

// New makes a Keeper. The error is that of c.REST.
func New(c Config) (*Keeper, error) {
	api, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return nil, err
	}
	return &Keeper{set: c.Set, lives: lives{cmp.Or(c.Life, Life), authorityLife}, api: api, log: cmp.Or(c.Log, slog.Default())}, nil
}

// Run keeps the Secrets until ctx ends.
func (k *Keeper) Run(ctx context.Context) { _ = k.repeat(ctx, false) }

// Await keeps the Secrets until all are there, or ctx ends, and returns the files of the
// control plane's.
func (k *Keeper) Await(ctx context.Context) (identity.Files, error) {
	if err := k.repeat(ctx, true); err != nil {
		return identity.Files{}, err
	}
	own, err := k.api.CoreV1().Secrets(k.set.Namespace).Get(ctx, k.set.ControlPlane(), metav1.GetOptions{})
	if err != nil {
		return identity.Files{}, err
	}
	return identity.Files{own.Data[identity.CertificateFile], own.Data[identity.KeyFile], own.Data[identity.CAFile]}, nil
}

// repeat keeps the Secrets again and again; only until it succeeds, if once.
func (k *Keeper) repeat(ctx context.Context, once bool) error {
	last := ""
	for {
		next, err := k.keep(ctx)
		if err == nil && once {
			return nil
		}
		pause := min(time.Until(next), lookEvery)
		if err != nil {
			if err.Error() != last && ctx.Err() == nil {
				k.log.Error("the Secrets of the wire cannot be kept; it is tried again", "err", err)
			}
			pause, last = tryAgain, err.Error()
		} else {
			last = ""
		}
		select {
		case <-time.After(max(pause, 0)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keep makes and renews what is due, and says when something is due next.
func (k *Keeper) keep(ctx context.Context) (next time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	for range rounds {
		have, err := k.read(ctx)
		if err != nil {
			return next, err
		}
		write, next, err := plan(k.set, have, k.lives, time.Now())
		if err != nil {
			return next, err
		}
		if err = k.write(ctx, write); !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return next, err
		}
	}
	return next, errors.New("others write the same Secrets all the time")
}

// read is those Secrets that there are.
func (k *Keeper) read(ctx context.Context) (map[string]*corev1.Secret, error) {
	have := map[string]*corev1.Secret{}
	for _, name := range k.set.Names() {
		s, err := k.api.CoreV1().Secrets(k.set.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err == nil:
			have[name] = s
		case !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	return have, nil
}

// write writes Secrets in order, those that were read upon the very version that was.
func (k *Keeper) write(ctx context.Context, list []*corev1.Secret) error {
	for _, s := range list {
		var err error
		if s.ResourceVersion == "" {
			_, err = k.api.CoreV1().Secrets(k.set.Namespace).Create(ctx, s, metav1.CreateOptions{FieldManager: "legation"})
		} else {
			_, err = k.api.CoreV1().Secrets(k.set.Namespace).Update(ctx, s, metav1.UpdateOptions{FieldManager: "legation"})
		}
		if err != nil {
			return fmt.Errorf("Secret %s/%s: %w", k.set.Namespace, s.Name, err)
		}
		k.log.Info("a Secret of the wire was made or renewed", "secret", k.set.Namespace+"/"+s.Name)
	}
	return nil
}
