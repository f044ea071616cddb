package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

// finding is one thing that doctor looked at.
type finding struct {
	What   string `json:"what"`
	Status string `json:"status"` // ok, warning, failed
	Detail string `json:"detail"`
	// Do is what helps, "" where nothing is wrong.
	Do string `json:"do,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look whether everything is as it should be, and say what helps",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := a.examine(cmd.Context())
			if err := a.show(findings, func(w io.Writer) { a.tellFindings(w, findings) }); err != nil {
				return err
			}
			if client.IsUnreachable(err) {
				return &ended{exitUnreachable}
			}
			for _, f := range findings {
				if f.Status == "failed" {
					return &ended{exitFailed}
				}
			}
			return nil
		},
	}
}

func (a *app) tellFindings(w io.Writer, findings []finding) {
	marks := map[string]string{"ok": markDone, "warning": markWait, "failed": markFailed}
	for _, f := range findings {
		fmt.Fprintf(w, "%s %s %s\n", a.style.mark(marks[f.Status]), pad(f.What, titleWidth), f.Detail)
		if f.Do != "" {
			fmt.Fprintf(w, "  %s %s\n", pad("", titleWidth), f.Do)
		}
	}
}

// examine looks at everything that can be looked at from here. The error is
// why the platform could not be asked.
func (a *app) examine(ctx context.Context) ([]finding, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	findings := []finding{a.examineContexts()}
	c, err := a.client()
	if err == nil {
		var found []finding
		found, err = a.examinePlatform(ctx, c)
		findings = append(findings, found...)
	} else {
		findings = append(findings, finding{"platform", "failed", err.Error(), "slipway up starts one on this machine"})
	}
	return append(findings, a.examineFolder(), examinePrograms()), err
}

func (a *app) examineContexts() finding {
	f := a.contexts()
	if _, err := f.load(); err != nil {
		return finding{"context", "failed", err.Error(), ""}
	}
	at, err := a.current()
	if err != nil {
		return finding{"context", "failed", err.Error(), ""}
	}
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, os.ErrNotExist) && at.URL == "":
		return finding{"context", "warning", "nothing is stored in " + f.path, "slipway up or slipway login stores one"}
	case err == nil && info.Mode().Perm()&0o077 != 0:
		return finding{"context", "warning", f.path + " holds tokens and can be read by others", "chmod 600 " + f.path}
	}
	return finding{"context", "ok", at.URL, ""}
}

func (a *app) examinePlatform(ctx context.Context, c *client.Client) ([]finding, error) {
	began := a.Clock()
	if err := c.Ready(ctx); err != nil {
		do := "slipway up starts it"
		if !client.IsUnreachable(err) {
			do = "its log says more: logs/slipway.log in the data folder"
		}
		return []finding{{"platform", "failed", err.Error(), do}}, err
	}
	findings := []finding{{"platform", "ok", fmt.Sprintf("%s answers in %s", c.URL(), took(a.Clock().Sub(began))), ""}}
	who, err := c.WhoAmI(ctx)
	if err != nil {
		return append(findings, finding{"token", "failed", err.Error(), "slipway login"}), nil
	}
	findings = append(findings, finding{"token", "ok", firstText(who, "name") + " " + text(who, "roles"), ""})
	parked, err := c.Sagas(ctx, client.SagaFilter{Status: client.StatusParked})
	switch {
	case err != nil:
		findings = append(findings, finding{"sagas", "failed", err.Error(), ""})
	case len(parked.Items) > 0:
		findings = append(findings, finding{"sagas", "warning", fmt.Sprintf("%d are parked and wait for a person", len(parked.Items)), "slipway saga list --status parked"})
	default:
		findings = append(findings, finding{"sagas", "ok", "none is stuck", ""})
	}
	letters, err := c.DeadLetters(ctx, "", 0, "")
	switch {
	case err != nil:
		findings = append(findings, finding{"messages", "failed", err.Error(), ""})
	case len(letters.Items) > 0:
		findings = append(findings, finding{"messages", "warning", fmt.Sprintf("%d could not be handled", len(letters.Items)), "slipway events dead-letters"})
	default:
		findings = append(findings, finding{"messages", "ok", "none is left over", ""})
	}
	return append(findings, examineEngines(ctx, c)), nil
}

func (a *app) examineFolder() finding {
	at, err := a.current()
	if err != nil || at.DataDir == "" {
		return finding{"data folder", "ok", "not on this machine", ""}
	}
	probe, err := os.CreateTemp(at.DataDir, ".doctor-*")
	if err != nil {
		return finding{"data folder", "failed", fmt.Sprintf("%s cannot be written: %v", at.DataDir, err), "make it writable, or free some space"}
	}
	defer os.Remove(probe.Name())
	defer probe.Close()
	return finding{"data folder", "ok", at.DataDir, ""}
}

// examineEngines says what carries infrastructure modules out. None is needed
// by whoever has no such modules.
func examineEngines(ctx context.Context, c *client.Client) finding {
	there, err := c.Engines(ctx)
	if err != nil {
		return finding{"engines", "failed", err.Error(), ""}
	}
	if len(there.Items) == 0 && len(there.Faults) == 0 {
		return finding{"engines", "ok", "none is there; definitions by an OpenTofu or Terraform module need one", there.Missing}
	}
	if len(there.Faults) > 0 {
		return finding{"engines", "warning", strings.Join(append(names(there.Items), there.Faults...), "; "), "mend it, or take it away from the PATH of slipway"}
	}
	return finding{"engines", "ok", strings.Join(names(there.Items), ", ") + "; a definition that names none gets " + there.Items[0].Kind, ""}
}

func names(engines []client.Engine) []string {
	var all []string
	for _, e := range engines {
		all = append(all, fmt.Sprintf("%s %s (%s)", e.Kind, e.Version, e.Found))
	}
	return all
}

// examinePrograms says what of the optional programs is there. None is needed.
func examinePrograms() finding {
	var there, not []string
	for _, name := range []string{"docker", "kubectl", "helm", "ansible"} {
		if _, err := exec.LookPath(name); err == nil {
			there = append(there, name)
		} else {
			not = append(not, name)
		}
	}
	if len(there) == 0 {
		return finding{"programs", "ok", "none installed; none is needed", ""}
	}
	return finding{"programs", "ok", strings.Join(there, ", ") + "; not here: " + strings.Join(not, ", "), ""}
}
