package process

import "sort"

// Find returns the living process of an id. It is asked of the kernel: a
// number that was given to another program since is not taken for it, and a
// process that was forked but not recorded before a crash is found.
func (k *Keeper) Find(id string) (Process, bool, error) {
	defer k.lock(id)()
	return k.find(id)
}

// List is every living process of this keeper, by id.
func (k *Keeper) List() ([]Process, error) {
	records, err := k.records()
	if err != nil {
		return nil, err
	}
	out := []Process{}
	for _, r := range records {
		p, ok, err := k.Find(r.ID)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, p)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

// Known is the id and labels of every process that was started and not
// stopped, living or not: what a restarted platform may have to bring back.
func (k *Keeper) Known() (map[string]map[string]string, error) {
	records, err := k.records()
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]string{}
	for _, r := range records {
		out[r.ID] = r.Labels
	}
	return out, nil
}

func (k *Keeper) find(id string) (Process, bool, error) {
	r, ok, err := k.load(id)
	if err != nil || !ok {
		return Process{}, false, err
	}
	if r.Boot != k.boot {
		return Process{}, false, nil // the machine was started again: nothing of it lives
	}
	if r.PID != 0 {
		return r.process(), alive(r.PID, r.StartTicks), nil
	}
	return k.adopt(r)
}

// adopt looks for the process of an intent that no pid was recorded for, and
// records it. Descendants carry the marker too: the leader of the oldest
// session is the one that was started.
func (k *Keeper) adopt(r record) (Process, bool, error) {
	marked, err := k.marked(r.ID)
	if err != nil {
		return Process{}, false, err
	}
	var leader *stat
	for i, s := range marked {
		older := leader == nil || s.startTicks < leader.startTicks ||
			s.startTicks == leader.startTicks && s.pid < leader.pid
		if s.pid == s.session && older {
			leader = &marked[i]
		}
	}
	if leader == nil {
		return Process{}, false, nil
	}
	r.PID, r.StartTicks, r.StartedAt = leader.pid, leader.startTicks, r.IntendedAt
	return r.process(), true, k.save(r)
}

func (k *Keeper) marked(id string) ([]stat, error) {
	all, err := living()
	if err != nil {
		return nil, err
	}
	var out []stat
	for _, s := range all {
		if carries(s.pid, k.marker(id)) {
			out = append(out, s)
		}
	}
	return out, nil
}

// members are the living processes that belong to an id: those in the session
// of its leader (as long as that number is known to be its), those that carry
// its marker wherever they went, and their descendants.
func (k *Keeper) members(id string, leader int, ticks uint64) ([]stat, error) {
	all, err := living()
	if err != nil {
		return nil, err
	}
	session := leader != 0 && alive(leader, ticks)
	var out []stat
	for _, s := range all {
		if session && s.session == leader || carries(s.pid, k.marker(id)) {
			out = append(out, s)
		}
	}
	return withDescendants(out, all), nil
}

func alive(pid int, ticks uint64) bool {
	s, err := readStat(pid)
	return err == nil && s.startTicks == ticks && !s.gone()
}
