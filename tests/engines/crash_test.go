//go:build engines

package engines

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/platform"
)

// At once so many runs are interrupted by one kill.
const batch = 10

// number of runs to interrupt on the first engine; others get a quarter.
func number() int {
	if n, err := strconv.Atoi(os.Getenv("SLIPWAY_CRASH_RUNS")); err == nil {
		return n
	}
	return 200
}

// Not parallel: it uses the whole machine by itself.
func TestKill9_RunsAtEveryStageInBothDirections_EndAppliedOrUndone(t *testing.T) {
	n := number()
	for i, e := range found {
		if i == 1 {
			n = (n + 3) / 4
		}
		t.Run(e.name, func(t *testing.T) { newHarbour(t, e).interrupt(n) })
	}
}

// harbour is a dock on which many runs are interrupted.
type harbour struct {
	*dock
	random   *rand.Rand
	made     []string        // environments that a trial left applied, to be deleted by another
	expected map[string]bool // ships that are to be there
	kept     map[string]bool // ships that nobody asks to destroy
	kills    map[string]int
	runs     int
	missed   int
	cargo    map[string]string // of the environments that workloads run in, what release
}

func newHarbour(t *testing.T, e engine) *harbour {
	h := &harbour{dock: newDock(t, e).begin(), expected: map[string]bool{}, kept: map[string]bool{}, kills: map[string]int{}, cargo: map[string]string{}}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("SLIPWAY_CRASH_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("SLIPWAY_CRASH_SEED=%d", seed)
	h.random = rand.New(rand.NewPCG(seed, 0))
	h.release("tea", "serve", "tea", "barque")
	h.release("wool", "serve", "wool", "barque")
	h.release("tea-clipper", "serve", "tea", "clipper")
	h.release("rum", "exit", "rum", "barque")
	// Who is never touched by anything.
	h.must(h.ask("bystander", "dev", fleetOf(nil)).ID, client.StatusDone)
	h.keep("bystander", true)
	return h
}

// keep says that an environment's ships are to be there from now on.
func (h *harbour) keep(environment string, forGood bool) {
	for _, name := range []string{".fleet.first", ".fleet.second"} {
		h.expected[environment+name] = true
		if forGood {
			h.kept[environment+name] = true
		}
	}
}

func (h *harbour) leave(environment string) {
	for _, name := range []string{".fleet.first", ".fleet.second"} {
		delete(h.expected, environment+name)
		delete(h.kept, environment+name)
	}
}

func (h *harbour) interrupt(n int) {
	began := time.Now()
	all := stages()
	var order []stage
	for len(order) < 3*n {
		h.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		order = append(order, all...)
	}
	for round := 0; h.runs < n; round++ {
		var trials []*trial
		trials, order = h.pick(order, round, min(batch, n-h.runs))
		h.round(round, trials)
	}
	h.clear()
	a := h.yard.audit(nil, h.kept)
	var where []string
	for _, name := range slices.Sorted(maps.Keys(h.kills)) {
		where = append(where, fmt.Sprintf("%s %d", name, h.kills[name]))
	}
	fmt.Printf("told: %s: %d runs interrupted in %s, %d missed their moment; killed at: %s; orphans %d, doubles %d, foreign destroys %d\n",
		h.e.name, h.runs, time.Since(began).Round(time.Second), h.missed, strings.Join(where, ", "), len(a.Orphans), len(a.Doubles), len(a.Foreign))
	require.Equal(h.t, account{}, a)
}

// pick takes the next stages that can be tried now.
func (h *harbour) pick(order []stage, round, n int) (trials []*trial, rest []stage) {
	victim := []string{"platform", "runner", "both"}[round%3]
	workloads := 0
	for i, s := range order {
		if len(trials) == n {
			return trials, append(rest, order[i:]...)
		}
		c := &trial{stage: s, number: h.runs + len(trials), victim: victim, late: h.random.IntN(2) == 0, old: map[string]bool{}}
		c.environment = fmt.Sprintf("c%d", c.number)
		switch s.kind {
		case "delete":
			if len(h.made) == 0 {
				rest = append(rest, s)
				continue
			}
			c.environment, h.made = h.made[0], h.made[1:]
		case "change", "replace", "reapply":
			if workloads == 3 {
				rest = append(rest, s)
				continue
			}
			c.environment = fmt.Sprintf("w%d", workloads)
			workloads++
		}
		trials = append(trials, c)
	}
	return trials, rest
}

// round interrupts trials at once, and waits until all is over.
func (h *harbour) round(round int, trials []*trial) {
	h.prepare(trials)
	for _, c := range trials {
		if c.gate != "" && c.kind != "reapply" {
			h.yard.gate(c.gateName(), "hold")
		}
	}
	var wg sync.WaitGroup
	for _, c := range trials {
		h.begin(c)
		wg.Go(func() { h.meet(c) })
	}
	wg.Wait()
	for _, c := range trials {
		h.runs++
		if c.missed {
			h.missed++
		}
		h.kills[c.kind+" "+c.name]++
		if c.just {
			h.yard.open(c.gateName())
		}
	}
	var pids []int
	if trials[0].victim != "platform" {
		for _, c := range trials {
			pids = append(pids, h.runners(c)...)
		}
	}
	if trials[0].victim != "runner" {
		h.Kill9()
	}
	kill9(pids)
	for _, c := range trials {
		if !c.late {
			h.yard.open(c.gateName())
		}
	}
	if trials[0].victim != "runner" {
		h.Start()
	}
	for _, c := range trials {
		h.yard.open(c.gateName())
	}
	for _, c := range trials {
		h.ended(c)
	}
	h.settled(round)
}

// prepare brings the environments of workloads to where a change can begin.
func (h *harbour) prepare(trials []*trial) {
	var ops []string
	for _, c := range trials {
		if c.kind != "change" && c.kind != "replace" && c.kind != "reapply" || h.cargo[c.environment] == "tea" {
			continue
		}
		ops = append(ops, h.deploy(c.environment, "tea").ID)
		h.cargo[c.environment] = "tea"
		h.keep(c.environment, false)
	}
	for _, id := range ops {
		h.must(id, client.StatusDone)
	}
	for _, c := range trials {
		for _, r := range h.dock.runs(c.environment) {
			c.old[r.ID] = true
		}
	}
}

// begin asks for what a trial is about.
func (h *harbour) begin(c *trial) {
	typ := "dev"
	switch c.kind {
	case "create":
		if c.name == "waiting" {
			typ = "guarded"
		}
		c.op = h.ask(c.environment, typ, fleetOf(nil))
	case "undo":
		h.yard.gate(c.environment+".wreck.first.create.before", "fail the crane broke")
		c.op = h.ask(c.environment, typ, wrecked())
	case "delete":
		c.op = h.remove(c.environment)
	case "change":
		c.op = h.deploy(c.environment, "wool")
	case "replace":
		c.op = h.deploy(c.environment, "tea-clipper")
	case "reapply":
		c.op = h.deploy(c.environment, "rum")
	}
}

// meet waits until a trial is where it shall be interrupted.
func (h *harbour) meet(c *trial) {
	deadline := time.Now().Add(platform.Patience)
	armed := c.kind != "reapply"
	for turn := 0; time.Now().Before(deadline); turn++ {
		if c.gate != "" && armed && turn%8 != 0 { // a file is looked for more often than the platform is asked
			if h.yard.reached(c.gateName()) {
				return
			}
			<-time.After(4 * time.Millisecond)
			continue
		}
		if !armed { // the change itself goes through; what comes back is held
			if h.rum(c.environment) {
				for _, r := range h.dock.runs(c.environment) {
					if r.Status == "finished" || r.Status == "applying" {
						c.old[r.ID] = true
					}
				}
				if c.gate != "" {
					h.yard.gate(c.gateName(), "hold")
				}
				armed = true
			}
		} else if c.gate != "" && h.yard.reached(c.gateName()) || c.is != nil && c.is(h.dock, c) {
			return
		}
		if op, err := h.Client().Saga(context.Background(), c.op.ID); err == nil && op.Over() {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	c.missed = true
	h.t.Logf("missed: %s", c)
}

// rum reports whether the bad release's cargo is there.
func (h *harbour) rum(environment string) bool {
	for _, b := range h.yard.ships(environment + ".fleet.first") {
		if b.Cargo == "rum" {
			return true
		}
	}
	return false
}

// ended waits for the end of a trial and holds what is there against it.
func (h *harbour) ended(c *trial) {
	t := h.t
	if c.name == "waiting" {
		h.approve(c)
	}
	op := h.over(c.op.ID)
	h.yard.open(c.environment + ".wreck.first.create.before")
	there := map[string]string{}
	for _, b := range h.yard.ships(c.environment + ".") {
		there[strings.TrimPrefix(b.Name, c.environment+".")] = b.Cargo
	}
	whole := func(cargo string) {
		t.Helper()
		require.Len(t, there, 2, "%s\n%v\n%s", c, there, text(op))
		require.Equal(t, cargo, there["fleet.first"], "%s\n%s", c, text(op))
	}
	switch {
	case op.Status == client.StatusParked:
		require.Fail(t, "parked", "%s\n%s\n%s", c, text(op), text(h.dock.runs(c.environment)))
	case c.kind == "create" && op.Status == client.StatusDone:
		whole("tea")
		h.keep(c.environment, false)
		h.made = append(h.made, c.environment)
	case c.kind == "create", c.kind == "undo":
		require.Equal(t, client.StatusUndone, op.Status, "%s\n%s", c, text(op))
		require.Empty(t, there, c.String())
	case c.kind == "delete":
		require.Equal(t, client.StatusDone, op.Status, "%s\n%s", c, text(op))
		require.Empty(t, there, c.String())
		h.leave(c.environment)
	case op.Status == client.StatusDone:
		want := map[string]string{"change": "wool", "replace": "tea", "reapply": "never"}[c.kind]
		whole(want)
		h.cargo[c.environment] = c.kind
	default:
		require.Equal(t, client.StatusUndone, op.Status, "%s\n%s", c, text(op))
		whole("tea")
	}
}

// approve lets a run go on that waits for a person.
func (h *harbour) approve(c *trial) {
	deadline := time.Now().Add(platform.Patience)
	for time.Now().Before(deadline) {
		if op, err := h.Client().Saga(context.Background(), c.op.ID); err == nil && op.Over() {
			return
		}
		for _, r := range h.dock.runs(c.environment) {
			if r.Status == "waiting" {
				if out, err := h.Run("run", "approve", r.ID, "-p", project); err != nil {
					h.t.Logf("approve %s: %v %s", r.ID, err, out)
				}
			}
		}
		<-time.After(50 * time.Millisecond)
	}
}

// settled expects every saga to be over, and the books to be in order.
func (h *harbour) settled(round int) {
	h.Await("every saga to be over", func() bool {
		page, err := h.Client().Sagas(context.Background(), client.SagaFilter{Project: project, Open: true})
		return err == nil && len(page.Items) == 0
	})
	require.Equal(h.t, account{}, h.yard.audit(h.expected, h.kept), "round %d", round)
}

// clear deletes every environment; what is there after that is nobody's.
func (h *harbour) clear() {
	h.leave("bystander")
	var ops []string
	for _, name := range append(slices.Collect(maps.Keys(h.cargo)), append(h.made, "bystander")...) {
		ops = append(ops, h.remove(name).ID)
	}
	for _, id := range ops {
		h.must(id, client.StatusDone)
	}
}
