package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp/syntax"
	"slices"
	"strings"
)

// Limits of a pattern that is turned round, which whoever writes an Ingress may write: how many
// instructions of RE2 it may have, also where its alternatives are turned round one by one, how many
// states its automaton, how many instructions may be looked at to make that, and how long the pattern
// may be that comes of it, in bytes. The most costly automaton that was found takes 13 ms.
const mostTurned, mostStates, mostLooks, mostOthers = 2_000, 200, 500_000, 4_000

var errTooLarge = errors.New("is too large to say what it does not take")

// WithoutPattern are conditions that hold where a header has a value in which a pattern, RE2, is
// nowhere. A header that is absent is empty. Of one that comes twice Envoy looks at each value, and
// one that is taken is enough, so it is asked for what the pattern does not take. That is stricter
// than nginx, which looks for the pattern in all values as one text.
//
// Of a pattern that is too large for that each alternative has a condition of its own: for one
// value they say the same together.
//
// An error says why it cannot be said: the pattern is none, asks for the ends of lines or of words,
// has characters of more than a byte, or is too large.
func WithoutPattern(header, pattern string) (list []ValueMatch, err error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	taken, err := Others(Anywhere(pattern))
	if err == nil {
		return []ValueMatch{{Name: header, Value: taken, Regex: true, Absent: true}}, nil
	}
	parsed = ungrouped(parsed)
	if parsed.Op != syntax.OpAlternate || !errors.Is(err, errTooLarge) || steps(parsed) > mostTurned {
		return nil, err
	}
	for _, one := range parsed.Sub {
		taken, err := Others(Anywhere(one.String()))
		if err != nil {
			return nil, err
		}
		list = append(list, ValueMatch{Name: header, Value: taken, Regex: true, Absent: true})
	}
	return list, nil
}

// Others is the pattern of all whole texts that another one does not take. Texts are bytes, as they
// are for Envoy. Errors are those of WithoutPattern.
func Others(pattern string) (string, error) {
	if err := Known(pattern); err != nil {
		return "", err
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	switch {
	case err != nil:
		return "", err
	case ofLines(re), strings.ContainsFunc(pattern, func(r rune) bool { return r > 0x7f }):
		return "", errors.New("asks for the ends of lines or of words, or has characters of more than a byte")
	case steps(re) > mostTurned:
		return "", errTooLarge
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return "", err
	}
	a, err := automatonOf(prog, setsOf(prog))
	if err != nil {
		return "", err
	}
	if a, err = a.fewest(); err != nil {
		return "", err
	}
	return a.rejected()
}

// automaton tells the whole texts that a pattern takes. Its first state is that before a text.
type automaton struct {
	sets   []byteSet // of bytes that it does not tell apart
	states []textState
}

// textState is where an automaton is in a text.
type textState struct {
	to    []int // by the set of the next byte
	takes bool  // the text may end here
}

func automatonOf(prog *syntax.Prog, sets []byteSet) (a automaton, err error) {
	number, looks := map[string]int{}, 0
	var at []within
	add := func(w within) int {
		n, ok := number[w.key()]
		if !ok {
			n = len(at)
			number[w.key()], at = n, append(at, w)
		}
		return n
	}
	a.sets = sets
	add(within{prog: prog, first: true, list: []uint32{uint32(prog.Start)}})
	for i := 0; i < len(at); i++ {
		state, inside := textState{takes: at[i].takes()}, at[i].reached(false)
		if looks += len(sets) * len(inside.list); i == mostStates || looks > mostLooks {
			return a, errTooLarge
		}
		for _, set := range a.sets {
			state.to = append(state.to, add(inside.after(rune(slices.Index(set[:], true)))))
		}
		a.states = append(a.states, state)
	}
	return a, nil
}

// setsOf are the bytes that no instruction of programs tells apart.
func setsOf(programs ...*syntax.Prog) (sets []byteSet) {
	same := map[string]bool{}
	var different []*syntax.Inst
	for _, prog := range programs {
		for i := range prog.Inst {
			inst := &prog.Inst[i]
			if key := fmt.Sprint(inst.Op, inst.Arg, inst.Rune); asks(inst) && !same[key] {
				same[key], different = true, append(different, inst)
			}
		}
	}
	number, key := map[string]int{}, make([]byte, len(different))
	for c := range 256 {
		for i, inst := range different {
			key[i] = 0
			if inst.MatchRune(rune(c)) {
				key[i] = 1
			}
		}
		n, ok := number[string(key)]
		if !ok {
			n = len(sets)
			number[string(key)], sets = n, append(sets, byteSet{})
		}
		sets[n][c] = true
	}
	return sets
}

// asks reports whether an instruction takes a byte.
func asks(i *syntax.Inst) bool {
	return i.Op == syntax.InstRune || i.Op == syntax.InstRune1 || i.Op == syntax.InstRuneAny || i.Op == syntax.InstRuneAnyNotNL
}

// within are the instructions at which a program may be between two bytes.
type within struct {
	prog  *syntax.Prog
	first bool // nothing is before
	list  []uint32
}

func (w within) key() string {
	key := make([]byte, 0, 4*len(w.list)+1)
	if w.first {
		key = append(key, 1)
	}
	for _, pc := range w.list {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	return string(key)
}

// reached are those that take a byte, or all of the text, to which it comes without a byte; at the
// end of the text, or not.
func (w within) reached(end bool) within {
	var flags syntax.EmptyOp
	if w.first {
		flags |= syntax.EmptyBeginText
	}
	if end {
		flags |= syntax.EmptyEndText
	}
	there, seen, next := within{prog: w.prog}, map[uint32]bool{}, slices.Clone(w.list)
	for len(next) > 0 {
		pc := next[len(next)-1]
		next = next[:len(next)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch i := &w.prog.Inst[pc]; i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			next = append(next, i.Out, i.Arg)
		case syntax.InstCapture, syntax.InstNop:
			next = append(next, i.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(i.Arg)&^flags == 0 {
				next = append(next, i.Out)
			}
		default:
			there.list = append(there.list, pc)
		}
	}
	return there
}

// takes reports whether the text may end here.
func (w within) takes() bool {
	return slices.ContainsFunc(w.reached(true).list, func(pc uint32) bool { return w.prog.Inst[pc].Op == syntax.InstMatch })
}

// after are those behind a byte.
func (w within) after(c rune) within {
	next := within{prog: w.prog}
	for _, pc := range w.list {
		if i := &w.prog.Inst[pc]; asks(i) && i.MatchRune(c) {
			next.list = append(next.list, i.Out)
		}
	}
	slices.Sort(next.list)
	next.list = slices.Compact(next.list)
	return next
}

// fewest is an automaton in which states are one that nothing tells apart. The first stays the first.
func (a automaton) fewest() (least automaton, err error) {
	group := make([]int, len(a.states))
	for i, s := range a.states {
		if s.takes != a.states[0].takes {
			group[i] = 1
		}
	}
	for looks := 0; ; {
		if looks += len(a.states) * len(a.sets); looks > mostLooks {
			return least, errTooLarge
		}
		number, next := map[string]int{}, make([]int, len(a.states))
		for i, s := range a.states {
			key := binary.AppendVarint(nil, int64(group[i]))
			for _, to := range s.to {
				key = binary.AppendVarint(key, int64(group[to]))
			}
			if _, ok := number[string(key)]; !ok {
				number[string(key)] = len(number)
			}
			next[i] = number[string(key)]
		}
		if slices.Equal(group, next) {
			break
		}
		group = next
	}
	least = automaton{sets: a.sets, states: make([]textState, slices.Max(group)+1)}
	for i, s := range a.states {
		one := textState{takes: s.takes}
		for _, to := range s.to {
			one.to = append(one.to, group[to])
		}
		least.states[group[i]] = one
	}
	return least, nil
}

// rejected is the pattern of the texts that a does not take. One state after the other is taken
// out, and what leads through it is said by the ways around it.
func (a automaton) rejected() (string, error) {
	w := a.ways()
	left := make([]int, len(a.states))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		out, least := 0, math.MaxInt
		for _, state := range left {
			if weight := w.weight(state); weight < least {
				out, least = state, weight
			}
		}
		left = slices.DeleteFunc(left, func(state int) bool { return state == out })
		if w.without(out) > mostOthers {
			return "", errTooLarge
		}
	}
	if text, ok := w.to[w.start()][w.end()]; ok {
		return text, Known(text)
	}
	return noPath, nil // no header has that either
}

// ways are the patterns that lead from one state to another one. Behind the states of the automaton
// are one in which it has rejected the text, and one before its first.
type ways struct {
	to   []map[int]string
	from []map[int]bool // the same, the other way round
}

func (w ways) end() int   { return len(w.to) - 2 }
func (w ways) start() int { return len(w.to) - 1 }

func (w ways) add(from, to int, pattern string) { w.to[from][to], w.from[to][from] = pattern, true }

func (a automaton) ways() (w ways) {
	for range len(a.states) + 2 {
		w.to, w.from = append(w.to, map[int]string{}), append(w.from, map[int]bool{})
	}
	for i, s := range a.states {
		by := map[int]byteSet{}
		for set, to := range s.to {
			by[to] = by[to].or(a.sets[set])
		}
		for to, set := range by {
			w.add(i, to, set.class())
		}
		if !s.takes {
			w.add(i, w.end(), "")
		}
	}
	w.add(w.start(), 0, "")
	return w
}

// weight is by how much all patterns grow if a state is taken out, in bytes.
func (w ways) weight(state int) int {
	in, out, before, behind := 0, 0, 0, 0
	for from := range w.from[state] {
		if from != state {
			in, before = in+1, before+len(w.to[from][state])
		}
	}
	for to, way := range w.to[state] {
		if to != state {
			out, behind = out+1, behind+len(way)
		}
	}
	return (in-1)*behind + (out-1)*before + (in*out-1)*len(w.to[state][state])
}

// without takes a state out, and returns how long the longest pattern is now.
func (w ways) without(state int) (longest int) {
	repeated := ""
	if loop, ok := w.to[state][state]; ok {
		repeated = together(loop) + "*"
	}
	delete(w.from[state], state)
	delete(w.to[state], state)
	for from := range w.from[state] {
		in := together(w.to[from][state])
		for to, out := range w.to[state] {
			way := in + repeated + together(out)
			if other, ok := w.to[from][to]; ok {
				way = other + "|" + way
			}
			w.add(from, to, way)
			longest = max(longest, len(way))
		}
		delete(w.to[from], state)
	}
	for to := range w.to[state] {
		delete(w.from[to], state)
	}
	w.to[state], w.from[state] = nil, nil
	return longest
}

// together is a pattern that can stand among others.
func together(pattern string) string {
	if len(pattern) < 2 || pattern[0] == '[' && strings.IndexByte(pattern, ']') == len(pattern)-1 {
		return pattern
	}
	return "(?:" + pattern + ")"
}

// overlap tells how many of the texts that one pattern takes as a whole another one takes, too: none
// of them, all, or some, which is also said of a pattern of lines or of words, or that is large.
func overlap(one, other *syntax.Regexp) reach {
	first, err := syntax.Compile(one.Simplify())
	second, wrong := syntax.Compile(other.Simplify())
	if err != nil || wrong != nil || ofLines(one) || ofLines(other) || steps(one)+steps(other) > mostAfter {
		return somePaths
	}
	sets := setsOf(first, second)
	a, err := automatonOf(first, sets)
	b, wrong := automatonOf(second, sets)
	if err != nil || wrong != nil {
		return somePaths
	}
	type pair [2]int
	seen, next := map[pair]bool{{}: true}, []pair{{}}
	both, only := false, false // texts that both take, and that only the first one takes
	for len(next) > 0 {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		x, y := a.states[at[0]], b.states[at[1]]
		both, only = both || x.takes && y.takes, only || x.takes && !y.takes
		for set := range sets {
			if to := (pair{x.to[set], y.to[set]}); !seen[to] {
				seen[to], next = true, append(next, to)
			}
		}
	}
	switch {
	case !both:
		return noPaths
	case !only:
		return allPaths
	}
	return somePaths
}
