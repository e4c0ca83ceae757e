package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"legation.dev/xds/history"
	"legation.dev/xds/store"
)

// historyKept are the flags that say how much of the history is kept.
type historyKept struct {
	versions int
	age      time.Duration
	size     string // of the files
	bytes    int64  // what size means, after check
}

func (f *historyKept) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.versions, "history", store.DefaultHistory, "how many versions of each fleet are kept whole, for late Envoys and for `legation snapshot`")
	flags.DurationVar(&f.age, "history-age", history.DefaultAge, "how long it is kept what led to each version, for `legation history` and `legation diff`; without --state in memory alone, 16 MiB at most")
	flags.StringVar(&f.size, "history-bytes", "64Mi", "with --state: how much of that is kept in the folder, unless it is older than --history-age; the oldest goes first")
}

// leastHistory is one file of the history, and what it begins with.
const leastHistory = 1 << 20

// check says what is wrong.
func (f *historyKept) check() error {
	if f.age <= 0 {
		return fmt.Errorf("--history-age: a time, such as 168h")
	}
	q, err := resource.ParseQuantity(f.size)
	if err != nil || q.Value() < leastHistory {
		return fmt.Errorf("--history-bytes %q: want an amount of 1Mi or more", f.size)
	}
	f.bytes = q.Value()
	return nil
}

// book is the history of this process.
func (f *historyKept) book() *history.Book { return history.New(history.Config{Age: f.age}) }

// versions is the Store of this process. It goes on from the versions of an earlier one.
func (s *serving) versions() *store.Store {
	if s.book == nil {
		s.book = history.New(history.Config{})
	}
	return store.New(store.Config{History: s.history, Past: s.book.Past()})
}
