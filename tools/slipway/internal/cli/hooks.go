package cli

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) hooksCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hooks", Short: "Webhooks: try them without a forge"}
	cmd.AddCommand(a.hooksSendCommand())
	return cmd
}

// delivery is one signed webhook delivery on its way.
type delivery struct {
	sample, file, webhook, secret, id string
	sets                              []string
	print                             bool
}

func (a *app) hooksSendCommand() *cobra.Command {
	var d delivery
	cmd := &cobra.Command{
		Use:   "send --sample github.workflow_run",
		Short: "Send a signed sample delivery, as a forge would",
		Long: `Send a signed sample delivery to a webhook of Slipway, as a forge would.

--set fills it in: repository=OWNER/NAME, sha, branch and sender are used all
over it; any other name is a dotted path into the payload. The secret is the
webhook's, from --secret or SLIPWAY_WEBHOOK_SECRET.

Samples: ` + strings.Join(sampleNames(), ", "),
		Example: `  slipway hooks send --sample github.workflow_run --project shop \
    --set repository=acme/orders --set sha=$(git rev-parse HEAD)
  slipway hooks send --sample github.workflow_run --set workflow_run.conclusion=failure`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&d.sample, "sample", "", "which, such as github.workflow_run")
	cmd.Flags().StringVarP(&d.file, "file", "f", "", "payload to send instead of the sample's own; - is standard input")
	cmd.Flags().StringArrayVar(&d.sets, "set", nil, "NAME=VALUE to fill in")
	cmd.Flags().StringVar(&d.webhook, "webhook", "github", "name of the Webhook document")
	cmd.Flags().StringVar(&d.secret, "secret", "", "secret to sign with (SLIPWAY_WEBHOOK_SECRET)")
	cmd.Flags().StringVar(&d.id, "delivery", "", "id of the delivery, to send the same one twice; else a new one")
	cmd.Flags().BoolVar(&d.print, "print", false, "print the payload, and send nothing")
	need(cmd, "sample")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.sendHook(cmd, d) }
	return cmd
}

func (a *app) sendHook(cmd *cobra.Command, d delivery) error {
	payload, err := a.payload(cmd, d)
	if err != nil {
		return err
	}
	if d.print {
		_, err := fmt.Fprintln(a.Out, string(payload))
		return err
	}
	if d.secret == "" {
		d.secret = a.Env("SLIPWAY_WEBHOOK_SECRET")
	}
	if d.secret == "" {
		return usage(cmd, "the webhook's secret is missing: --secret or SLIPWAY_WEBHOOK_SECRET")
	}
	if d.id == "" {
		d.id = a.NewID()
	}
	c, project, err := a.inProject(cmd.Context())
	if err != nil {
		return err
	}
	_, event, _ := strings.Cut(d.sample, ".")
	began := a.Clock()
	var answer map[string]any
	err = c.Do(cmd.Context(), client.Request{
		Method: http.MethodPost, Path: client.PathOf("hooks", project, d.webhook), Body: bytes.NewReader(payload),
		Header: http.Header{
			"Content-Type":        {"application/json"},
			"X-Github-Event":      {event},
			"X-Github-Delivery":   {d.id},
			"X-Hub-Signature-256": {signature(payload, d.secret)},
		},
		Anonymous: true, // the signature is what lets a delivery in: a forge has no token
	}, &answer)
	if err != nil {
		return err
	}
	return a.show(answer, func(w io.Writer) {
		fmt.Fprintf(w, "%s taken in %s as delivery %s", d.sample, took(a.Clock().Sub(began)), d.id)
		if id := firstText(answer, "id", "eventId", "ids"); id != "" {
			fmt.Fprintf(w, ", event %s", id)
		}
		fmt.Fprintln(w)
		if id := firstText(answer, "correlationId", "correlationid"); id != "" {
			fmt.Fprintf(w, "slipway timeline %s\n", id)
		}
	})
}

// signature signs as GitHub does: X-Hub-Signature-256.
func signature(payload []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(payload)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// payload is the sample filled in, or the file's text.
func (a *app) payload(cmd *cobra.Command, d delivery) ([]byte, error) {
	switch d.file {
	case "":
	case "-":
		return io.ReadAll(a.In)
	default:
		text, err := os.ReadFile(d.file)
		if err != nil {
			return nil, missing(d.file, err)
		}
		return text, nil
	}
	words, fields, err := a.fillIn(cmd, d.sets)
	if err != nil {
		return nil, err
	}
	text, err := sample(d.sample, words, fields)
	if err != nil {
		return nil, usage(cmd, err.Error())
	}
	return text, nil
}

// fillIn tells the words that are used all over a sample from the fields.
func (a *app) fillIn(cmd *cobra.Command, sets []string) (words, fields map[string]string, err error) {
	sum := sha256.Sum256([]byte(a.NewID()))
	words = map[string]string{
		"repository": "acme/orders", "branch": "main", "sender": "ada",
		"sha":  hex.EncodeToString(sum[:20]),
		"time": a.Clock().UTC().Format(time.RFC3339),
	}
	fields = map[string]string{}
	for _, set := range sets {
		name, value, ok := strings.Cut(set, "=")
		if !ok || name == "" {
			return nil, nil, usage(cmd, fmt.Sprintf("--set %s: it is NAME=VALUE", set))
		}
		if _, known := words[name]; known {
			words[name] = value
		} else {
			fields[name] = value
		}
	}
	owner, repo, ok := strings.Cut(words["repository"], "/")
	if !ok || owner == "" || repo == "" {
		return nil, nil, usage(cmd, fmt.Sprintf("--set repository=%s: it is OWNER/NAME", words["repository"]))
	}
	words["owner"], words["repo"] = owner, repo
	run := fnv.New32a() // one commit's run has one number
	_, _ = io.WriteString(run, words["sha"])
	words["number"] = strconv.FormatUint(uint64(run.Sum32()), 10)
	return words, fields, nil
}
