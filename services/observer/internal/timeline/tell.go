package timeline

import "sort"

// Tell puts entries in the order in which they are told: by time, then by
// place in the stream, but never an effect before its cause, whatever the
// clocks say. It sets each entry's Cause.
func Tell(entries []Entry) []Entry {
	sorted := append([]Entry(nil), entries...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		if !a.Time.Equal(b.Time) {
			return a.Time.Before(b.Time)
		}
		return a.Position.before(b.Position)
	})
	byID := make(map[string]int, len(sorted))
	for i, e := range sorted {
		if _, taken := byID[e.ID]; !taken {
			byID[e.ID] = i
		}
	}
	told := make([]Entry, 0, len(sorted))
	done := make([]bool, len(sorted))
	for i := range sorted {
		// The chain of causes that are not told yet, nearest first. It ends
		// even where an outsider's events name each other as causes.
		var chain []int
		for at := i; !done[at]; {
			done[at] = true
			chain = append(chain, at)
			cause, ok := byID[sorted[at].CausationID]
			if !ok {
				break
			}
			at = cause
		}
		for n := len(chain) - 1; n >= 0; n-- {
			e := sorted[chain[n]]
			if cause, ok := byID[e.CausationID]; ok && cause != chain[n] {
				e.Cause = sorted[cause].Sequence
			}
			told = append(told, e)
		}
	}
	return told
}
