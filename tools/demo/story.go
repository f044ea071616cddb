package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
)

// story is what the acts share.
type story struct {
	out      *teller
	platform *platform
	machine  *machine
	shop     string
	releases map[string]release

	forge  *forge
	chat   *chat
	api    *client.Client
	engine *client.Engine // that modules are carried out by; nil where there is none
}

const (
	project     = "shop"
	environment = "dev"
	host        = "orders.dev.shop.localhost"
)

// tell runs the acts one after another. An act that cannot go on ends the
// story; a check that fails is counted, and the story goes on.
func (s *story) tell(ctx context.Context, stay bool) error {
	out := s.out
	out.begin()
	before := s.machine.picture()
	for _, act := range []func(context.Context) error{s.prologue, s.act1, s.act2, s.act3, s.act4, s.act6} {
		if err := act(ctx); err != nil {
			out.fail("%v", err)
			break
		}
		out.took()
	}
	told := time.Since(out.began)
	if stay && len(out.wrong) == 0 {
		out.title("All of it is up: %s   (token in %s)", s.platform.url(), filepath.Join(s.platform.data, "admin.token"))
		out.note("orders     http://%s:%s/", host, port(s.platform.ingress))
		out.note("Ctrl-C ends it.")
		<-ctx.Done()
		ctx = context.WithoutCancel(ctx) // what follows is the ending, in order
	}
	if s.chat != nil {
		defer s.chat.close()
	}
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	ending := time.Now()
	if err := s.down(ctx, before); err != nil {
		out.fail("%v", err)
	}
	told += time.Since(ending)
	if len(out.wrong) > 0 {
		return fmt.Errorf("%d things were not so:\n  - %s", len(out.wrong), strings.Join(out.wrong, "\n  - "))
	}
	fmt.Fprintf(out.w, "\nAll of it was so. The story took %.1f s.\n", told.Seconds())
	return nil
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// prologue starts the platform and hands in what the shop's people wrote.
func (s *story) prologue(ctx context.Context) error {
	s.out.title("Before it begins: an empty platform, and an organisation")
	took, err := s.platform.up(ctx)
	if err != nil {
		return err
	}
	s.out.check("slipway up answers %.1f s after it was started, on an empty folder", took.Seconds())
	if s.api, err = s.platform.api(); err != nil {
		return err
	}
	if s.chat, err = openChat(); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "-f", filepath.Join(s.shop, "organisation")},
		{"apply", "-f", filepath.Join(s.shop, "project.yaml")},
	} {
		if _, err := s.platform.cli(ctx, "", args...); err != nil {
			return err
		}
	}
	s.forge = &forge{url: s.platform.url(), secret: rand.Text(), client: &http.Client{Timeout: 10 * time.Second}}
	if _, err := s.platform.cli(ctx, s.forge.secret, "secret", "set", "github", "--project", project); err != nil {
		return err
	}
	room, err := os.ReadFile(filepath.Join(s.shop, "chat.yaml"))
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(room), "http://127.0.0.1:9095/chat", s.chat.url)
	if _, err := s.platform.cli(ctx, text, "apply", "-f", "-"); err != nil {
		return err
	}
	definitions, err := s.definitions(ctx)
	if err != nil {
		return err
	}
	for _, file := range []string{definitions, "policy.yaml", "delivery.yaml"} {
		if _, err := s.platform.cli(ctx, "", "apply", "-f", filepath.Join(s.shop, file)); err != nil {
			return err
		}
	}
	s.out.check("people, teams, systems, resource definitions, policies, webhook and pipelines were handed in with slipway apply")
	return nil
}

// definitions chooses how resources are made: through an engine where the
// platform has one. Which one, it says itself.
func (s *story) definitions(ctx context.Context) (string, error) {
	found, err := s.api.Engines(ctx)
	if err != nil {
		return "", err
	}
	for _, fault := range found.Faults {
		s.out.note("%s", fault)
	}
	if len(found.Items) == 0 {
		s.out.note("There is neither OpenTofu nor Terraform here: the definitions in definitions-local are played, and no module is run.\n%s", found.Missing)
		return "definitions-local", nil
	}
	s.engine = &found.Items[0]
	s.out.check("folders and keys are made by modules here, with %s (%s): definitions-opentofu", s.engineName(), s.engine.Found)
	return "definitions-opentofu", nil
}

func (s *story) engineName() string {
	return map[string]string{"tofu": "OpenTofu", "terraform": "Terraform"}[s.engine.Kind] + " " + s.engine.Version
}

// push stores the artifact of a release.
func (s *story) push(ctx context.Context, version string) error {
	r := s.releases[version]
	_, err := s.platform.cli(ctx, "", "artifact", "push", r.dir, r.name+":"+r.version, "--project", project)
	return err
}

// deliver reports the build of a release.
func (s *story) deliver(ctx context.Context, version string) error {
	status, answer, err := s.forge.builtWell(ctx, s.releases[version])
	if err != nil {
		return err
	}
	if status != http.StatusAccepted {
		return fmt.Errorf("the webhook was answered %d: %s", status, answer)
	}
	s.out.check("GitHub's signed delivery \"build of %s succeeded\" was answered 202", version)
	return nil
}

// visit asks orders through the ingress, as anybody would.
func (s *story) visit(ctx context.Context, path string) (version, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return "", "", err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.platform.ingress)
	}}
	answer, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(r)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", string(text), fmt.Errorf("GET %s answered %d: %s", path, answer.StatusCode, strings.TrimSpace(string(text)))
	}
	var order struct{ Version string }
	if err := json.Unmarshal(text, &order); err != nil {
		return "", string(text), err
	}
	return order.Version, string(text), nil
}

// deployment finds the platform's record of the deployment of a release. It is
// used to wait and to explain, and proves nothing.
func (s *story) deployment(ctx context.Context, version string) (client.Operation, error) {
	page, err := s.api.Sagas(ctx, client.SagaFilter{Project: project})
	if err != nil {
		return client.Operation{}, err
	}
	want := correlation(s.releases[version].commit)
	for _, op := range page.Items {
		if op.CorrelationID == want && strings.HasPrefix(op.ID, "dpl-") {
			return op, nil
		}
	}
	return client.Operation{}, fmt.Errorf("there is no deployment of %s yet", version)
}

// serving waits until a version answers. It gives up when the platform says
// that nothing will come of it.
func (s *story) serving(ctx context.Context, version string, limit time.Duration) (string, error) {
	var body string
	err := await(ctx, limit, "an answer by "+version, func(ctx context.Context) (bool, error) {
		got, text, err := s.visit(ctx, "/")
		if err == nil && got == version {
			body = text
			return true, nil
		}
		if op, opErr := s.deployment(ctx, version); opErr == nil && op.Over() && op.Status != client.StatusDone {
			return false, &finalError{fmt.Errorf("the deployment of %s ended as %s: %s", version, op.Status, why(op))}
		}
		return false, errors.Join(err)
	})
	return body, err
}

// finished waits for the end of a release's deployment.
func (s *story) finished(ctx context.Context, version string, limit time.Duration) (client.Operation, error) {
	var op client.Operation
	err := await(ctx, limit, "the end of the deployment of "+version, func(ctx context.Context) (bool, error) {
		var err error
		op, err = s.deployment(ctx, version)
		return err == nil && op.Over(), err
	})
	return op, err
}

func why(op client.Operation) string {
	text := "no reason given"
	if op.Failure != nil {
		text = op.Failure.Step + ": " + op.Failure.Reason
	}
	if tail := op.Details["logTail"]; tail != "" {
		text += "\n" + tail
	}
	return text
}

// down ends everything and looks what is left.
func (s *story) down(ctx context.Context, before picture) error {
	s.out.title("The end: slipway down")
	if s.platform.process == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := s.platform.cli(ctx, "", "down", "--data", s.platform.data); err != nil {
		_ = s.platform.stop(ctx, syscall.SIGKILL)
		return err
	}
	after := s.machine.picture()
	before.folders, after.folders = nil, nil // down keeps data for the next up, as it says
	left := before.difference(after)
	s.out.so(len(left) == 0, "nothing is left: not a process, not a listening port",
		"something is left after down: "+strings.Join(left, "; "))
	for what, address := range map[string]string{"the API": s.platform.listen, "NATS": s.platform.nats, "the ingress": s.platform.ingress} {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
			s.out.fail("%s still listens on %s", what, address)
		}
	}
	s.out.took()
	return nil
}
