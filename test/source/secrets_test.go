//go:build real

package source

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/translator/worlds"

	watcher "legation.dev/watcher/kube"
)

var unrelated = flag.Int("secrets", 3000, "how many Secrets nobody names are written")

const (
	// secretSize is that of one Secret, in bytes: a Helm release is larger, a token
	// smaller.
	secretSize = 4096
	// bytesEach is how much heap a Secret that nobody names may leave behind.
	bytesEach = 64
	// writersAtOnce is how many requests are under way.
	writersAtOnce = 16
)

// TestUnrelatedSecrets: Secrets that nobody names, written while a replica runs and
// listed by one that starts later, cost no translation and no memory.
func TestUnrelatedSecrets(t *testing.T) {
	world(t)
	ctx := t.Context() // as long as the Secrets take
	w := worlds.New(6, worlds.Size{Services: 2, Endpoints: 2, Ingresses: 4, TLS: 1})
	for _, c := range w.All() {
		write(ctx, t, c)
	}
	early := start(t, watcher.Config{}, nil)
	early.await(ctx, t, is(truth(ctx, t, worlds.Namespace).digest()))
	results, heap := early.counted(), heapNow()
	if err := writeSecrets(t.Context(), *unrelated); err != nil {
		t.Fatal(err)
	}
	late := start(t, watcher.Config{}, nil)
	write(ctx, t, w.Endpoint(0)) // comes after the Secrets
	want := truth(ctx, t, worlds.Namespace).digest()
	early.await(ctx, t, is(want))
	late.await(ctx, t, is(want))
	grown := int64(heapNow()) - int64(heap)
	t.Logf("%d Secrets of %d bytes: %d bytes of heap more, %d for each; %d translations for one other change",
		*unrelated, secretSize, grown, grown/int64(*unrelated), early.counted()-results)
	if n := early.counted() - results; n != 1 {
		t.Errorf("%d translations, want that of the other change alone", n)
	}
	// A replica with its connections is some 100 kB.
	if limit := int64(*unrelated*bytesEach + 1<<20); grown > limit {
		t.Errorf("the heap has grown by %d bytes, more than %d", grown, limit)
	}
}

func heapNow() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func writeSecrets(ctx context.Context, n int) error {
	secrets := cluster.Client().CoreV1().Secrets(worlds.OtherSpace)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writersAtOnce)
	for i := range n {
		g.Go(func() error {
			data := make([]byte, secretSize)
			_, _ = rand.Read(data) // never fails
			_, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("unrelated-", i)},
				Data: map[string][]byte{"data": data}}, metav1.CreateOptions{})
			return err
		})
	}
	return g.Wait()
}
