package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
)

// act1: a good build becomes a running workload.
func (s *story) act1(ctx context.Context) error {
	out := s.out
	out.title("Act 1. CI reports a good build of orders v1; dev does not exist yet")
	if len(s.machine.workloads("orders")) > 0 {
		return fmt.Errorf("orders runs already")
	}
	status, _, err := s.forge.send(ctx, "workflow_run", []byte(`{"action":"completed"}`), "guessed")
	if err != nil {
		return err
	}
	out.so(status == http.StatusUnauthorized, "a delivery signed with another secret is answered 401", fmt.Sprintf("a delivery signed with another secret was answered %d", status))
	if status, answer, err := s.forge.pushed(ctx, s.releases["v1"]); err != nil || status != http.StatusAccepted {
		return fmt.Errorf("the push was answered %d: %s %w", status, answer, err)
	}
	if err := s.push(ctx, "v1"); err != nil {
		return err
	}
	began := time.Now()
	if err := s.deliver(ctx, "v1"); err != nil {
		return err
	}
	body, err := s.serving(ctx, "v1", 30*time.Second)
	if err != nil {
		return err
	}
	out.check("http://%s answers, %.1f s after the delivery: %s", host, time.Since(began).Seconds(), strings.TrimSpace(body))
	running := s.machine.workloads("orders")
	if len(running) != 1 {
		return fmt.Errorf("%d processes of orders run, not one", len(running))
	}
	p := running[0]
	in, err := contents(ctx, p)
	if err != nil {
		return err
	}
	out.so(in["redis orders:count"] != "" && in["s3 receipts/01.json"] != "",
		fmt.Sprintf("its Redis on port %s counts %s orders and its bucket %s holds the receipts (both read directly)", p.env["REDIS_PORT"], in["redis orders:count"], p.env["S3_BUCKET"]),
		fmt.Sprintf("Redis and bucket do not hold the orders: %v", in))
	s.onDisk(p)
	s.told(ctx, "Deployed", "orders", correlation(s.releases["v1"].commit))
	if op, err := s.finished(ctx, "v1", 10*time.Second); err != nil {
		out.fail("%v", err)
	} else {
		s.steps(op)
	}
	return nil
}

// act2: the next release replaces it under load, and the platform is restarted
// in the middle.
func (s *story) act2(ctx context.Context) error {
	out := s.out
	out.title("Act 2. v2 replaces v1 under load, and slipway up is restarted in the middle of it")
	if err := s.push(ctx, "v2"); err != nil {
		return err
	}
	old := s.machine.workloads("orders")
	load := startTraffic(ctx, s.platform.ingress, host)
	ended := false
	defer func() {
		if !ended {
			load.end()
		}
	}()
	if err := await(ctx, 5*time.Second, "an answer to the traffic", func(context.Context) (bool, error) { return load.newest() == "v1", nil }); err != nil {
		return err
	}
	if err := s.deliver(ctx, "v2"); err != nil {
		return err
	}
	err := await(ctx, 20*time.Second, "v2's process", func(context.Context) (bool, error) { return len(s.machine.workloads("orders")) > 1, nil })
	if err != nil {
		return err
	}
	if err := s.platform.stop(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	took, err := s.platform.up(ctx)
	if err != nil {
		return err
	}
	out.check("slipway up was stopped as soon as v2's process was there, and started again; it answers after %.1f s, and workloads went on meanwhile", took.Seconds())
	if _, err := s.serving(ctx, "v2", 20*time.Second); err != nil {
		return err
	}
	err = await(ctx, 25*time.Second, "the end of v1's process", func(context.Context) (bool, error) {
		for _, p := range s.machine.workloads("orders") {
			if p.pid == old[0].pid {
				return false, nil
			}
		}
		return load.newest() == "v2", nil
	})
	if err != nil {
		return err
	}
	load.end()
	ended = true
	out.note("%s", load.report())
	out.so(len(load.failures) == 0, "none was refused, cut or late; uploads arrived whole, and event streams came to their end",
		fmt.Sprintf("%d requests failed, among them:\n    %s", len(load.failures), strings.Join(load.failures[:min(5, len(load.failures))], "\n    ")))
	out.so(load.versions["v1"] > 0 && load.versions["v2"] > 0, "both releases answered", "the traffic never saw both releases")
	s.told(ctx, "Deployed", "orders", correlation(s.releases["v2"].commit))
	running := s.machine.workloads("orders")
	out.so(len(running) == 1, "v1's process is gone, v2's is the only one", fmt.Sprintf("%d processes of orders run", len(running)))
	_, err = s.finished(ctx, "v2", 15*time.Second)
	return err
}

// act3: a broken release undoes itself.
func (s *story) act3(ctx context.Context) error {
	out := s.out
	out.title("Act 3. v3 is broken, and wants a queue as well")
	if err := s.push(ctx, "v3"); err != nil {
		return err
	}
	running := s.machine.workloads("orders")
	if len(running) != 1 {
		return fmt.Errorf("%d processes of orders run, not one", len(running))
	}
	held, err := contents(ctx, running[0])
	if err != nil {
		return err
	}
	before := s.machine.picture()
	watch := s.machine.watch()
	if err := s.deliver(ctx, "v3"); err != nil {
		return err
	}
	asked, strange := 0, ""
	var op client.Operation
	err = await(ctx, 40*time.Second, "the end of the deployment of v3", func(ctx context.Context) (bool, error) {
		// Whether it is ready is a question that changes no content.
		version, _, err := s.visit(ctx, "/readyz")
		if asked++; version != "v2" && strange == "" {
			strange = fmt.Sprintf("%s %v", version, err)
		}
		op, err = s.deployment(ctx, "v3")
		return err == nil && op.Over(), err
	})
	if err != nil {
		return err
	}
	out.so(strange == "", fmt.Sprintf("asked %d times while it went on, v2 answered every time", asked), "another than v2 answered: "+strange)
	after := s.machine.picture()
	passed := watch.passed(before, after)
	out.so(op.Status == client.StatusUndone, "the deployment ended, undone", "the deployment ended as "+op.Status)
	out.so(mentions(passed, "orders") && mentions(passed, "jetstream"),
		"while it went on there were v3's process and its queue's; both are gone", fmt.Sprintf("v3 and its queue never ran: %v", passed))
	left := before.difference(after)
	out.so(len(left) == 0, "processes, listening ports and folders are what they were before", "something is left: "+strings.Join(left, "; "))
	holds, err := contents(ctx, running[0])
	if err != nil {
		return err
	}
	differs := changed(held, holds)
	out.so(len(differs) == 0, fmt.Sprintf("so are the contents of Redis and bucket, %d entries", len(held)), "contents changed: "+strings.Join(differs, "; "))
	s.told(ctx, "failed", "orders", "too many colons", correlation(s.releases["v3"].commit))
	s.steps(op)
	return nil
}

func mentions(list []string, word string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, word) })
}

// told checks that the chat room got one message with all of the words.
func (s *story) told(ctx context.Context, words ...string) {
	message, err := s.chat.heard(ctx, words...)
	if err != nil {
		s.out.fail("%v", err)
		return
	}
	var m struct{ Title, Text string }
	if err := json.Unmarshal([]byte(message), &m); err != nil {
		s.out.fail("chat got something else than JSON: %v", err)
		return
	}
	s.out.check("chat was told: %s", m.Title)
	s.out.note("%s", m.Text)
}

// act4: a half-made environment undoes itself.
func (s *story) act4(ctx context.Context) error {
	out := s.out
	out.title("Act 4. A preview environment is asked for, and its third resource cannot be made")
	running := s.machine.workloads("orders")
	if len(running) != 1 {
		return fmt.Errorf("%d processes of orders run, not one", len(running))
	}
	held, err := contents(ctx, running[0])
	if err != nil {
		return err
	}
	before := s.machine.picture()
	watch := s.machine.watch()
	reason := "no-ack" // what a NATS server says to a stream of everything
	if s.engine != nil {
		reason = "GiB" // what the module's script says that it lacks
	}
	op, err := s.api.CreateEnvironment(ctx, project, client.EnvironmentRequest{
		Name: "pr-42", Type: "preview", TTL: "48h",
		Resources: map[string]client.Resource{
			"cache":    {Type: "redis"},
			"receipts": {Type: "s3"},
			// This one takes what both others give. Its definition wants what
			// cannot be had: of a NATS server a stream of everything, of a
			// module more room than there is, which shows half-way.
			"audit": {Type: "queue", Class: "audit", Params: map[string]any{
				"bucket": "${resources.receipts.bucket}", "about": "${resources.cache.host}:${resources.cache.port}",
			}},
		},
	})
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	if op, err = s.api.Wait(bounded, op.ID); err != nil {
		return err
	}
	after := s.machine.picture()
	passed := watch.passed(before, after)
	out.so(op.Status == client.StatusUndone, "the request ended, undone: "+why(op), "the request ended as "+op.Status)
	third := "jetstream"
	if s.engine != nil {
		third = s.engine.Kind
	}
	out.so(mentions(passed, "redis") && mentions(passed, "s3") && mentions(passed, third),
		fmt.Sprintf("while it went on, %d processes of its resources were seen; all are gone", len(passed)),
		fmt.Sprintf("not all of its resources ever ran: %v", passed))
	if s.engine != nil {
		s.halfMade(watch)
	}
	left := before.difference(after)
	out.so(len(left) == 0, "processes, listening ports and folders are what they were before", "something is left: "+strings.Join(left, "; "))
	holds, err := contents(ctx, running[0])
	if err != nil {
		return err
	}
	differs := changed(held, holds)
	out.so(len(differs) == 0, "dev's Redis and bucket hold what they held", "contents of dev changed: "+strings.Join(differs, "; "))
	s.told(ctx, "pr-42", reason)
	journal, err := s.platform.cli(ctx, "", "saga", "show", op.ID)
	if err != nil {
		out.fail("%v", err)
	} else {
		out.note("%s", strings.TrimSpace(journal))
	}
	saga, err := s.api.Saga(ctx, op.ID)
	if err != nil {
		return err
	}
	undone := undoOrder(saga)
	order := slices.DeleteFunc(slices.Clone(undone), func(step string) bool { return !slices.Contains([]string{"audit", "cache", "receipts"}, step) })
	out.so(len(order) == 3 && order[0] == "audit",
		"the journal undoes in reverse order, the failed step first: "+strings.Join(undone, ", "),
		"the journal's order of undoing is: "+strings.Join(undone, ", "))
	return nil
}

// undoOrder lists the steps in the order in which their undo began.
func undoOrder(op client.Operation) []string {
	var out []string
	for _, e := range op.Journal {
		if e.Direction == "undo" && e.Step != "" && !slices.Contains(out, e.Step) {
			out = append(out, e.Step)
		}
	}
	return out
}

// act6: one timeline tells it all.
func (s *story) act6(ctx context.Context) error {
	out := s.out
	out.title("Act 6. One timeline from the push to the running workload")
	id := correlation(s.releases["v1"].commit)
	text, err := s.platform.cli(ctx, "", "timeline", id)
	if err != nil {
		return err
	}
	out.check("slipway timeline %s   (worked out here from repository and commit)", id)
	out.note("%s", strings.TrimSpace(text))
	var got client.Timeline
	wanted := []string{
		"dev.cdevents.change.merged.", "dev.cdevents.pipelinerun.finished.",
		"dev.cdevents.artifact.published.", "dev.slipway.deployer.deployment.requested.", "dev.slipway.policy.decision.made.",
		"dev.slipway.provisioner.resource.provisioned.", "dev.cdevents.environment.created.", "dev.cdevents.service.deployed.",
	}
	missing := wanted
	err = await(ctx, 5*time.Second, "a whole timeline", func(ctx context.Context) (bool, error) {
		if got, err = s.api.Timeline(ctx, id); err != nil {
			return false, err
		}
		missing = slices.DeleteFunc(slices.Clone(wanted), func(prefix string) bool {
			return slices.ContainsFunc(got.Events, func(e client.TimelineEntry) bool { return strings.HasPrefix(e.Type, prefix) })
		})
		return len(missing) == 0, nil
	})
	if err != nil && ctx.Err() != nil {
		return err
	}
	out.so(len(missing) == 0, fmt.Sprintf("it has %d events, from the push over build, policy, resources and environment to the workload", len(got.Events)),
		"the timeline lacks "+strings.Join(missing, ", "))
	place := map[string]int{}
	for i, e := range got.Events {
		place[e.ID] = i
	}
	wrong := 0
	for i, e := range got.Events {
		if cause, known := place[e.CausationID]; known && cause > i {
			wrong++
		}
	}
	out.so(wrong == 0, "no event stands before its cause", fmt.Sprintf("%d events stand before their cause", wrong))
	if _, err := os.Stat(s.platform.data); err != nil {
		return err
	}
	return nil
}

// steps prints a deployment as it went.
func (s *story) steps(op client.Operation) {
	for _, st := range op.Steps {
		note := st.Note
		if st.Reason != "" {
			note = strings.Join(strings.Fields(note+" "+st.Reason), " ")
		}
		if st.UndoNote != "" {
			note += " ↺ " + st.UndoNote
		}
		s.out.note("%-10s %-8s %s", st.ID, st.Status, note)
	}
}
