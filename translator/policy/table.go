package policy

import (
	"slices"
	"strings"
	"time"
)

const day = 24 * time.Hour

// table is ordered by name. A row stands in the file of its feature, beside the
// field that it fills; what it shapes says on which objects it may stand. See
// TestTable for what every row must have.
var table = sorted(
	of(OnClass, fixed, portsSettings, proxiesSettings, clientsSettings, logSettings),
	of(OnClass, nil, classSettings),
	of(OnIngress|OnClass, nil, timeoutsSettings, retrySettings, bodySettings, redirectSettings),
	of(OnService|OnIngress|OnClass, shapesCluster, limitsSettings, balanceSettings, healthSettings, lifetimeSettings),
)

func fixed(s *Setting) { s.Fixed = true }

func shapesCluster(s *Setting) { s.Upstream = true }

// of gives rows what they have by where they stand.
func of(scopes Scope, mark func(*Setting), lists ...[]Setting) []Setting {
	all := slices.Concat(lists...)
	for i := range all {
		if all[i].Scopes = scopes; mark != nil {
			mark(&all[i])
		}
	}
	return all
}

func sorted(lists ...[]Setting) []Setting {
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// rows are the indexes of table by name and alias.
var rows = func() map[string]int {
	m := map[string]int{}
	for i, s := range table {
		for _, name := range append(s.Aliases, s.Name) {
			m[name] = i
		}
	}
	return m
}()

// rowOf is the row of a setting; -1 if there is none.
func rowOf(name string) int {
	if i, ok := rows[name]; ok {
		return i
	}
	return -1
}

// Table is a copy of all settings, in order of their names.
func Table() []Setting { return slices.Clone(table) }
