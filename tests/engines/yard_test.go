//go:build engines

package engines

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// yard is the folder of the tests' provider: what is really there, and what it
// was asked for. tests/provider says what stands in it.
type yard struct {
	t   testing.TB
	dir string
}

// newYard makes a folder that every user may write into: as root, each stack's
// processes are a user of their own.
func newYard(t testing.TB) yard {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/" && d != "."; d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	y := yard{t, dir}
	for _, name := range []string{"", "ships", "gates"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o777))
		require.NoError(t, os.Chmod(filepath.Join(dir, name), 0o777))
	}
	ledger := filepath.Join(dir, "ledger.jsonl")
	require.NoError(t, os.WriteFile(ledger, nil, 0o666))
	require.NoError(t, os.Chmod(ledger, 0o666))
	return y
}

// gate sets a gate; see tests/provider.
func (y yard) gate(name, text string) string {
	y.t.Helper()
	path := filepath.Join(y.dir, "gates", name)
	require.NoError(y.t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// reached reports whether somebody waits at a gate.
func (y yard) reached(name string) bool {
	_, err := os.Stat(filepath.Join(y.dir, "gates", name+".reached"))
	return err == nil
}

// open takes a gate away.
func (y yard) open(name string) {
	_ = os.Remove(filepath.Join(y.dir, "gates", name))
}

// boat is one ship that is there.
type boat struct {
	ID, Name, Class, Cargo, Password, Secret string

	file string
}

// ships are those that are there whose name begins with prefix.
func (y yard) ships(prefix string) []boat {
	y.t.Helper()
	files, err := filepath.Glob(filepath.Join(y.dir, "ships", "*.json"))
	require.NoError(y.t, err)
	var all []boat
	for _, f := range files {
		text, err := os.ReadFile(f)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(y.t, err)
		b := boat{file: f}
		require.NoError(y.t, json.Unmarshal(text, &b), f)
		if strings.HasPrefix(b.Name, prefix) {
			all = append(all, b)
		}
	}
	return all
}

func (y yard) ship(name string) boat {
	y.t.Helper()
	var one []boat
	for _, b := range y.ships(name) {
		if b.Name == name {
			one = append(one, b)
		}
	}
	require.Len(y.t, one, 1, "ships of the name "+name)
	return one[0]
}

// entry is one line of the ledger.
type entry struct {
	Time    time.Time
	Op      string
	Name    string
	ID      string
	Outcome string // asked, done, failed: …
}

func (y yard) ledger() []entry {
	y.t.Helper()
	text, err := os.ReadFile(filepath.Join(y.dir, "ledger.jsonl"))
	require.NoError(y.t, err)
	var all []entry
	for line := range strings.Lines(string(text)) {
		var e entry
		require.NoError(y.t, json.Unmarshal([]byte(line), &e), line)
		all = append(all, e)
	}
	return all
}

// account is what the ledger, and the ships that are there, say of the whole.
type account struct {
	Orphans, Doubles, Foreign []string
}

// audit goes through the ledger. kept are the names that nobody asked to
// destroy; expected those that are to be there now.
func (y yard) audit(expected map[string]bool, kept map[string]bool) account {
	y.t.Helper()
	var a account
	there := map[string]string{} // id to name
	for _, b := range y.ships("") {
		there[b.ID] = b.Name
	}
	effective := map[string]bool{}
	for id := range there {
		effective[id] = true
	}
	ledger := y.ledger()
	for _, e := range ledger {
		if e.Op == "create" && e.Outcome == "done" || e.Op == "delete" {
			effective[e.ID] = true
		}
	}
	live := map[string]map[string]bool{} // name to ids
	for _, e := range ledger {
		if live[e.Name] == nil {
			live[e.Name] = map[string]bool{}
		}
		switch {
		case e.Op == "create" && e.Outcome == "asked" && effective[e.ID]:
			live[e.Name][e.ID] = true
			if len(live[e.Name]) > 1 {
				a.Doubles = append(a.Doubles, e.Name)
			}
		case e.Op == "delete" && e.Outcome == "asked":
			delete(live[e.Name], e.ID)
			if kept[e.Name] {
				a.Foreign = append(a.Foreign, e.Name+" "+e.ID)
			}
		}
	}
	names := map[string]int{}
	for id, name := range there {
		if names[name]++; !expected[name] || names[name] > 1 {
			a.Orphans = append(a.Orphans, name+" "+id)
		}
	}
	return a
}

func remove(b boat) error { return os.Remove(b.file) }
