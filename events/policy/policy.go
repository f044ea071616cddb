// Package policy holds the events that the policy service publishes.
package policy

import (
	"time"

	"github.com/slipway-idp/slipway/events"
)

// DecisionMade is published for every evaluation that had a result. Subject:
// what was decided about, "dev/orders".
var DecisionMade = events.Define[DecisionMadeData]("policy.decision.made", 1)

// ApprovalOpened is published when a human yes or no is asked for. Subject:
// the approval's id.
var ApprovalOpened = events.Define[ApprovalOpenedData]("policy.approval.opened", 1)

// ApprovalGranted is published when enough of those who may said yes. Subject:
// the approval's id.
var ApprovalGranted = events.Define[ApprovalDecidedData]("policy.approval.granted", 1)

// ApprovalRejected is published when one of those who may said no. Subject:
// the approval's id.
var ApprovalRejected = events.Define[ApprovalDecidedData]("policy.approval.rejected", 1)

// ApprovalExpired is published when nobody decided in time. Subject: the
// approval's id.
var ApprovalExpired = events.Define[ApprovalExpiredData]("policy.approval.expired", 1)

// FreezeStarted is published when a freeze window begins. Subject: the
// window's name.
var FreezeStarted = events.Define[FreezeData]("policy.freeze.started", 1)

// FreezeEnded is published when a freeze window is over. Subject: the window's
// name.
var FreezeEnded = events.Define[FreezeData]("policy.freeze.ended", 1)

// FreezeOverridden is published when somebody let one change through a freeze
// window. Subject: the window's name.
var FreezeOverridden = events.Define[FreezeOverriddenData]("policy.freeze.overridden", 1)

// Reason is one rule's say in a decision.
type Reason struct {
	Policy   string `json:"policy"`         // name of the Policy document
	Rule     string `json:"rule,omitempty"` // deny, warn or require_approval
	Line     int    `json:"line,omitempty"` // of the rule in the policy's Rego, from 1
	Message  string `json:"message"`
	Resource string `json:"resource,omitempty"` // what it is about, where the rule says so
}

// DecisionMadeData says what was decided, by which policies, on which input.
// The input itself stays with the policy service.
type DecisionMadeData struct {
	Decision     string   `json:"decision"` // id
	Kind         string   `json:"kind"`     // deploy, plan, …
	Allowed      bool     `json:"allowed"`
	Result       string   `json:"result"` // allow, deny or needs-approval
	Reasons      []Reason `json:"reasons,omitempty"`
	BundleDigest string   `json:"bundleDigest"` // of all policies that had a say
	InputDigest  string   `json:"inputDigest"`
	Subject      string   `json:"subject"`
	Project      string   `json:"project"`
}

// ApprovalOpenedData says what is to be approved, by whom, until when.
type ApprovalOpenedData struct {
	Approval  string    `json:"approval"` // id
	Project   string    `json:"project"`
	Subject   string    `json:"subject"`             // dev/orders
	Digest    string    `json:"digest"`              // of set, plan and undo: what exactly is approved
	Approvers []string  `json:"approvers,omitempty"` // group:default/team-a
	Reasons   []Reason  `json:"reasons,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// ApprovalDecidedData says who decided.
type ApprovalDecidedData struct {
	Approval string `json:"approval"`
	Project  string `json:"project"`
	Subject  string `json:"subject"`
	Digest   string `json:"digest"`
	By       string `json:"by"` // user:default/ada
	Comment  string `json:"comment,omitempty"`
}

// ApprovalExpiredData says which approval came to nothing.
type ApprovalExpiredData struct {
	Approval string `json:"approval"`
	Project  string `json:"project"`
	Subject  string `json:"subject"`
	Digest   string `json:"digest"`
}

// FreezeData names a time in which changes are held.
type FreezeData struct {
	Window           string    `json:"window"`
	Project          string    `json:"project"`
	From             time.Time `json:"from"`
	To               time.Time `json:"to"`
	EnvironmentTypes []string  `json:"environmentTypes,omitempty"`
	Reason           string    `json:"reason,omitempty"`
}

// FreezeOverriddenData says who let what through.
type FreezeOverriddenData struct {
	Window  string `json:"window"`
	Project string `json:"project"`
	Subject string `json:"subject"`
	By      string `json:"by"`
	Reason  string `json:"reason"`
}
