package client

import "context"

// Engines are what carries infrastructure modules out. A definition that names
// none gets the first of Items.
type Engines struct {
	Items []Engine `json:"items"`
	// Faults say which programs are there and do not work.
	Faults []string `json:"faults,omitempty"`
	// Missing says what to do where there is no engine.
	Missing string `json:"missing,omitempty"`
}

// Engine is OpenTofu (tofu) or Terraform.
type Engine struct {
	Kind    string `json:"kind"`
	Version string `json:"version"`
	Found   string `json:"found"` // "on PATH", "beside slipway"
}

// Engines answers which there are on the machine of the provisioner.
func (c *Client) Engines(ctx context.Context) (Engines, error) {
	var e Engines
	return e, c.Do(ctx, Request{Path: "/api/v1/engines"}, &e)
}
