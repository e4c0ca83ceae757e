package policy

import (
	"slices"
	"strings"
)

// table has all rows, in order of their names. What a setting shapes says where
// it may stand. See TestTable for what every row must have.
var table = sorted(
	rows(Setting{Scopes: OnClass, OfListener: true}, portRows, proxyRows, clientRows, logRows, tracingRows),
	rows(Setting{Scopes: OnClass}, classRows, globalAuthRows, budgetRows, namespaceRows, ownerRows, renewalRows, deletionRows, closingRows, tasteRows),
	rows(Setting{Scopes: OnIngress | OnClass}, timeoutRows, retryRows, bodyRows, redirectRows, addressRows, rateRows, towardRows, corsRows, sessionRows),
	rows(Setting{Scopes: OnIngress}, authRows, exemptRows, loggedRows, customRows),
	rows(Setting{Scopes: OnIngress, Upstream: true}, upstreamTLSRows),
	rows(Setting{Scopes: OnService, Upstream: true}, measuredRows),
	rows(Setting{Scopes: OnService | OnIngress | OnClass, Upstream: true}, limitRows, balanceRows, healthRows, lifetimeRows, protocolRows),
)

// rows are those of the features of one struct of Values; they have in common
// what like says.
func rows(like Setting, features ...[]Setting) []Setting {
	list := slices.Concat(features...)
	for i := range list {
		list[i].Scopes, list[i].Upstream, list[i].OfListener = like.Scopes, like.Upstream, like.OfListener
	}
	return list
}

func sorted(lists ...[]Setting) []Setting {
	return slices.SortedFunc(slices.Values(slices.Concat(lists...)), func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
}

// named finds the rows of the table.
var named = byName(table)

// byName finds rows by their names and aliases.
func byName(rows []Setting) map[string]*Setting {
	found := make(map[string]*Setting, len(rows))
	for i := range rows {
		found[rows[i].Name] = &rows[i]
		for _, alias := range rows[i].Aliases {
			found[alias] = &rows[i]
		}
	}
	return found
}

// Table is a copy of all settings, in order of their names.
func Table() []Setting { return slices.Clone(table) }
