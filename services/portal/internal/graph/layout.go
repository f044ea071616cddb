package graph

import (
	"cmp"
	"slices"
)

// layout is where things go, in pixels from the upper left corner.
type layout struct {
	width, height float64
	at            []point   // the middle of each box, by number
	paths         [][]point // of each edge: where it begins, passes between boxes, and ends
}

type point struct{ x, y float64 }

// The distances between boxes.
const (
	between = 18 // boxes of a column
	columns = 56 // two columns
	lane    = 10 // what an edge takes that passes a column
	rounds  = 8  // of sorting and of straightening; more changes little
)

// item is a box or, where an edge passes a column, a place in it.
type item struct {
	node   int // -1: an edge passes
	column int
	high   float64
	y      float64 // its middle
	before []*item // in the column to its left
	after  []*item // in the column to its right
}

// lay puts whoever needs something to the left of what it needs. It is the
// usual way of layers (after Sugiyama): columns by the longest way, places in
// them by the middle of the neighbours, long edges in lanes of their own.
// Graphs here have some dozens of boxes and no circles; an edge that closes
// one is left out.
func lay(g Graph) layout {
	number := map[string]int{}
	for i, n := range g.Nodes {
		number[n.ID] = i
	}
	needs := make([][]int, len(g.Nodes))
	for _, e := range g.Edges {
		from, known := number[e.From]
		to, also := number[e.To]
		if known && also && from != to && !slices.Contains(needs[from], to) {
			needs[from] = append(needs[from], to)
		}
	}
	column := ranks(needs)
	items := make([]*item, len(g.Nodes))
	var table [][]*item
	put := func(it *item) {
		for len(table) <= it.column {
			table = append(table, nil)
		}
		table[it.column] = append(table[it.column], it)
	}
	for i := range g.Nodes {
		items[i] = &item{node: i, column: column[i], high: high}
		put(items[i])
	}
	var ways [][]*item
	for from, list := range needs {
		for _, to := range list {
			way := []*item{items[from]}
			for c := column[from] + 1; c < column[to]; c++ {
				pass := &item{node: -1, column: c, high: lane}
				put(pass)
				way = append(way, pass)
			}
			way = append(way, items[to])
			for i := 1; i < len(way); i++ {
				way[i-1].after, way[i].before = append(way[i-1].after, way[i]), append(way[i].before, way[i-1])
			}
			ways = append(ways, way)
		}
	}
	for _, c := range table {
		stack(c)
	}
	for round := range rounds {
		for i := range table {
			c := i
			if round%2 == 1 {
				c = len(table) - 1 - i
			}
			settle(table[c], round%2 == 0, round < rounds/2)
		}
	}
	return measure(g, table, ways)
}

// ranks is each node's column: one more than that of the last that needs it.
// Edges that close a circle are taken out of needs.
func ranks(needs [][]int) []int {
	const visiting, done = 1, 2
	mark := make([]int, len(needs))
	var order []int
	var visit func(int)
	visit = func(n int) {
		mark[n] = visiting
		needs[n] = slices.DeleteFunc(needs[n], func(to int) bool {
			if mark[to] == 0 {
				visit(to)
			}
			return mark[to] == visiting
		})
		mark[n] = done
		order = append(order, n)
	}
	for n := range needs {
		if mark[n] == 0 {
			visit(n)
		}
	}
	rank := make([]int, len(needs))
	for _, n := range slices.Backward(order) {
		for _, to := range needs[n] {
			rank[to] = max(rank[to], rank[n]+1)
		}
	}
	return rank
}

// stack puts a column's items below each other in their order.
func stack(c []*item) {
	y := 0.0
	for _, it := range c {
		it.y = y + it.high/2
		y += it.high + between
	}
}

// settle moves a column's items towards the middle of their neighbours to the
// left or to the right, and apart where they would overlap. With sort they may
// change places.
func settle(c []*item, left, sort bool) {
	want := map[*item]float64{}
	for _, it := range c {
		neighbours := it.after
		if left {
			neighbours = it.before
		}
		want[it] = it.y
		if len(neighbours) > 0 {
			sum := 0.0
			for _, n := range neighbours {
				sum += n.y
			}
			want[it] = sum / float64(len(neighbours))
		}
	}
	if sort {
		slices.SortStableFunc(c, func(a, b *item) int { return cmp.Compare(want[a], want[b]) })
	}
	// From above as far up as wished, then the whole by the mean of what is
	// wished beyond that, so that a column stands beside its neighbours' middle.
	floor, off := 0.0, 0.0
	for i, it := range c {
		at := want[it]
		if i > 0 {
			at = max(at, floor+it.high/2)
		}
		off += want[it] - at
		it.y, floor = at, at+it.high/2+between
	}
	for _, it := range c {
		it.y += off / float64(len(c))
	}
}

// measure turns places in columns into pixels.
func measure(g Graph, table [][]*item, ways [][]*item) layout {
	l := layout{at: make([]point, len(g.Nodes))}
	top, bottom := 0.0, 0.0
	begin, end := make([]float64, len(table)), make([]float64, len(table))
	x := 0.0
	for c, list := range table {
		wide := 0
		for _, it := range list {
			top, bottom = min(top, it.y-it.high/2), max(bottom, it.y+it.high/2)
			if it.node >= 0 {
				wide = max(wide, width(g.Nodes[it.node]))
			}
		}
		begin[c], end[c] = x, x+float64(wide)
		x += float64(wide) + columns
	}
	l.width, l.height = x-columns, bottom-top
	for c, list := range table {
		for _, it := range list {
			if it.y -= top; it.node >= 0 {
				l.at[it.node] = point{(begin[c] + end[c]) / 2, it.y}
			}
		}
	}
	for _, way := range ways {
		var path []point
		for i, it := range way {
			half := 0.0
			if it.node >= 0 {
				half = float64(width(g.Nodes[it.node])) / 2
			}
			middle := (begin[it.column] + end[it.column]) / 2
			switch i {
			case 0:
				path = append(path, point{middle + half, it.y})
			case len(way) - 1:
				path = append(path, point{middle - half, it.y})
			default:
				path = append(path, point{begin[it.column], it.y}, point{end[it.column], it.y})
			}
		}
		l.paths = append(l.paths, path)
	}
	return l
}
