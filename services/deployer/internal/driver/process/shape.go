// Package process is the target that runs workloads as processes of this
// machine, each under a supervisor process of its own that outlives the
// platform.
package process

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/score-spec/score-go/types"

	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

// shape is what of a Score file this target acts on.
type shape struct {
	container string
	spec      types.Container
	ports     []port // main first
}

type port struct {
	name   string
	number int // as the Score file has it: what probes name
}

// webNames are the names by which a workload's main port goes.
var webNames = []string{"http", "web", "www"}

func shapeOf(w score.Workload) shape {
	s := shape{}
	for name, c := range w.Containers {
		s.container, s.spec = name, c
	}
	if w.Service == nil {
		return s
	}
	for _, name := range slices.Sorted(maps.Keys(w.Service.Ports)) {
		p := w.Service.Ports[name]
		number := p.Port
		if p.TargetPort != nil {
			number = *p.TargetPort
		}
		s.ports = append(s.ports, port{name: name, number: number})
	}
	slices.SortStableFunc(s.ports, func(a, b port) int { return rank(a.name) - rank(b.name) })
	return s
}

func rank(name string) int {
	if i := slices.Index(webNames, name); i >= 0 {
		return i
	}
	return len(webNames)
}

// Check says what of a workload cannot run as a process.
func (d *Driver) Check(w score.Workload) []score.Fault {
	var faults []score.Fault
	add := func(field, message, hint string) {
		faults = append(faults, score.Fault{Field: field, Message: field + ": " + message, Hint: hint})
	}
	if len(w.Containers) != 1 {
		add("containers", fmt.Sprintf("target process runs one container, these are %d", len(w.Containers)), "make a workload of each")
		return faults
	}
	s := shapeOf(w)
	at := "containers." + s.container
	if len(s.spec.Command) == 0 {
		add(at+".command", "target process needs the command to run", `such as ["./`+w.Name+`"]`)
	}
	if len(s.spec.Files) > 0 {
		add(at+".files", "target process has no file system of its own to put files into", "put the file into the artifact")
	}
	if len(s.spec.Volumes) > 0 {
		add(at+".volumes", "target process has no file system of its own to mount into", "hand the volume's path over as a variable: ${resources.NAME.path}")
	}
	if w.Service != nil {
		for name, p := range w.Service.Ports {
			if p.Protocol != nil && *p.Protocol != types.ServicePortProtocolTCP {
				add("service.ports."+name, "target process gives out TCP ports only", "")
			}
		}
	}
	for name, probe := range map[string]*types.ContainerProbe{"readinessProbe": s.spec.ReadinessProbe, "livenessProbe": s.spec.LivenessProbe} {
		if probe == nil || probe.HttpGet == nil {
			continue
		}
		if _, ok := s.index(probe.HttpGet.Port); !ok {
			add(at+"."+name+".httpGet.port", fmt.Sprintf("%d is none of service.ports", probe.HttpGet.Port), "there are: "+s.portList())
		}
	}
	return faults
}

// CheckFiles says whether the command is among an archive's files.
func (d *Driver) CheckFiles(w score.Workload, executables map[string]bool) []score.Fault {
	s := shapeOf(w)
	if len(w.Containers) != 1 || len(s.spec.Command) == 0 {
		return nil
	}
	command := s.spec.Command[0]
	if !strings.Contains(command, "/") || strings.HasPrefix(command, "/") {
		return nil // looked up in the folder first, then in PATH, when it is started
	}
	at := "containers." + s.container + ".command"
	executable, there := executables[path.Clean(command)]
	switch {
	case !there:
		return []score.Fault{{Field: at, Message: fmt.Sprintf("%s: the archive holds no %s", at, command), Hint: "build it into the folder before pushing"}}
	case !executable:
		return []score.Fault{{Field: at, Message: fmt.Sprintf("%s: %s is not executable", at, command), Hint: "chmod +x " + command}}
	}
	return nil
}

// index finds the port that a probe means by its number.
func (s shape) index(number int) (int, bool) {
	i := slices.IndexFunc(s.ports, func(p port) bool { return p.number == number })
	return i, i >= 0
}

func (s shape) portList() string {
	if len(s.ports) == 0 {
		return "none"
	}
	var out []string
	for _, p := range s.ports {
		out = append(out, fmt.Sprintf("%d (%s)", p.number, p.name))
	}
	return strings.Join(out, ", ")
}
