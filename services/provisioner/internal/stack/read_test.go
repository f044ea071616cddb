package stack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

const whole = `{
  "version": 4, "terraform_version": "1.12.6", "serial": 3, "lineage": "9b2c", "something_new": {"a": 1},
  "outputs": {
    "path": {"value": "/srv/bucket", "type": "string"},
    "key": {"value": {"id": "k-canary", "bits": 4096, "on": true, "none": null}, "type": ["object", {"id": "string"}], "sensitive": true},
    "ports": {"value": [1, 2.50], "type": ["tuple", ["number", "number"]]}
  },
  "resources": [
    {"mode": "managed", "type": "terraform_data", "name": "folder", "provider": "p", "instances": [
      {"schema_version": 0, "attributes": {"id": "1", "input": {"value": {"token": "t-canary", "list": ["l-canary", "open"]}}},
       "sensitive_attributes": [
         [{"type": "get_attr", "value": "input"}, {"type": "get_attr", "value": "value"}, {"type": "index", "value": {"value": "token", "type": "string"}}],
         [{"type": "get_attr", "value": "input"}, {"type": "get_attr", "value": "value"}, {"type": "get_attr", "value": "list"}, {"type": "index", "value": {"value": 0, "type": "number"}}]
       ]}]},
    {"mode": "data", "type": "local_file", "name": "seen", "provider": "p", "instances": [{"attributes": {"content": "x"}}]},
    {"mode": "managed", "type": "slipway_thing", "name": "many", "each": "list", "provider": "p", "instances": [
      {"index_key": 0, "status": "tainted", "attributes": {}}, {"index_key": 1, "deposed": "0badcafe", "attributes": {}}]},
    {"module": "module.net[\"eu\"]", "mode": "managed", "type": "slipway_thing", "name": "each", "each": "map", "provider": "p", "instances": [
      {"index_key": "a.b \"c\" ${x} %{y} $ \n\u0001", "attributes": {}}]},
    {"module": "module.net[\"eu\"].module.deep", "mode": "data", "type": "slipway_thing", "name": "seen", "provider": "p", "instances": [{"index_key": "k", "attributes": null}]}
  ],
  "check_results": null
}`

func TestRead_OutputsAddressesAndSecrets(t *testing.T) {
	t.Parallel()
	c, err := stack.Read([]byte(whole))
	require.NoError(t, err)
	require.EqualValues(t, 3, c.Serial)
	require.Equal(t, "9b2c", c.Lineage)
	require.Equal(t, "1.12.6", c.EngineVersion)
	require.Equal(t, []stack.Instance{
		{Address: "terraform_data.folder", Mode: "managed", Type: "terraform_data"},
		{Address: "data.local_file.seen", Mode: "data", Type: "local_file"},
		{Address: "slipway_thing.many[0]", Mode: "managed", Type: "slipway_thing", Tainted: true},
		{Address: "slipway_thing.many[1]", Mode: "managed", Type: "slipway_thing", Deposed: "0badcafe"},
		{Address: `module.net["eu"].slipway_thing.each["a.b \"c\" $${x} %%{y} $ \n\u0001"]`, Mode: "managed", Type: "slipway_thing"},
		{Address: `module.net["eu"].module.deep.data.slipway_thing.seen["k"]`, Mode: "data", Type: "slipway_thing"},
	}, c.Instances)
	require.Equal(t, 4, c.Managed())
	require.Equal(t, []string{"4096", "k-canary", "l-canary", "t-canary"}, c.Secrets)
	require.JSONEq(t, `"/srv/bucket"`, string(c.Outputs["path"].Value))
	require.Equal(t, `[1, 2.50]`, string(c.Outputs["ports"].Value), "numbers as they are written")
	require.JSONEq(t, `"string"`, string(c.Outputs["path"].Type))
	require.True(t, c.Outputs["key"].Sensitive)
	require.False(t, c.Outputs["path"].Sensitive)
}

func TestRead_SensitivePathThatLeadsNowhere_HidesAllItMayMean(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		paths string
		want  []string
	}{
		"no such name":     {`[[{"type":"get_attr","value":"set"},{"type":"get_attr","value":"nothing"}]]`, []string{"s-one", "s-two"}},
		"index past end":   {`[[{"type":"get_attr","value":"set"},{"type":"get_attr","value":"a"},{"type":"index","value":{"value":9,"type":"number"}}]]`, []string{"s-one", "s-two"}},
		"element of a set": {`[[{"type":"get_attr","value":"set"},{"type":"get_attr","value":"a"},{"type":"index","value":{"value":{"x":1},"type":["object",{}]}}]]`, []string{"s-one", "s-two"}},
		"below a leaf":     {`[[{"type":"get_attr","value":"open"},{"type":"get_attr","value":"x"}]]`, []string{"o-three"}},
		"step of no form":  {`[["what"]]`, []string{"o-three", "s-one", "s-two"}},
		"paths of no form": {`{"what": 1}`, []string{"o-three", "s-one", "s-two"}},
		"the whole of it":  {`[[]]`, []string{"o-three", "s-one", "s-two"}},
		"none":             {`[]`, nil},
		"absent":           {`null`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := stack.Read([]byte(`{"version":4,"serial":1,"lineage":"l","resources":[{"mode":"managed","type":"t","name":"n","instances":[
				{"attributes":{"set":{"a":["s-one","s-two"]},"open":"o-three"},"sensitive_attributes":` + test.paths + `}]}]}`))
			require.NoError(t, err)
			require.Equal(t, test.want, c.Secrets)
		})
	}
}

func TestRead_WhatIsNoState_SaysWhyAndQuotesNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                           "not JSON, or not whole (at byte 0)",
		`{"version":4,"lineage":"hu`: "not JSON, or not whole",
		`["hush"]`:                   "not of the type",
		`{"version":"hush"}`:         "version is not of the type that it should be",
		`{}`:                         "says no version",
		`{"version":3,"serial":1}`:   "of format 3, and only 4 is known",
		`{"version":4}`:              "no lineage",
		`{"version":4,"lineage":"l","serial":-1}`:                                                                                           "negative",
		`{"serial":1,"lineage":"l","encrypted_data":"hush"}`:                                                                                "encryption block",
		`{"version":4,"lineage":"l","resources":[{"mode":"managed","instances":[{}]}]}`:                                                     "no type or no name",
		`{"version":4,"lineage":"l","resources":[{"mode":"managed","type":"t","name":"n","instances":[{"index_key":{"hush":1}}]}]}`:         "t.n has a key",
		`{"version":4,"lineage":"l","outputs":{"a":{"value":"hush","sensitive":"hush"}}}`:                                                   "sensitive is not of the type",
		`{"version":4,"lineage":"l","resources":[{"mode":"managed","type":"t","name":"n","instances":[{"attributes":{"a":"hush","b":`:       "not whole",
		`{"version":4,"lineage":"l","resources":[{"mode":"managed","type":"t","name":"n","instances":[{"attributes":{"a":"hush"}}]}]} hush`: "not JSON",
	} {
		_, err := stack.Read([]byte(text))
		var format *stack.FormatError
		require.ErrorAs(t, err, &format, text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hush")
	}
}

func TestRead_StateBeforeAnything_IsEmpty(t *testing.T) {
	t.Parallel()
	c, err := stack.Read(emptyState("l", 0))
	require.NoError(t, err)
	require.Zero(t, c.Managed())
	require.Empty(t, c.Secrets)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(whole))
	f.Add(emptyState("l", 1))
	f.Add(stateOf("l", 1, "x"))
	f.Add([]byte(`{"version":4,"lineage":"l","outputs":{"a":{"value":[[1e400,"x"]],"sensitive":true}}}`))
	f.Add([]byte(`{"version":4,"lineage":"l","resources":[{"mode":"managed","type":"t","name":"n","instances":[{"index_key":-1.5,"attributes":[["a"]],"sensitive_attributes":[[{"type":"index","value":{"value":0}}],[{"value":{"value":{"value":1}}}],[null],null]}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := stack.Read(raw)
		if err != nil {
			return
		}
		for _, i := range c.Instances {
			if i.Address == "" || strings.HasSuffix(i.Address, ".") {
				t.Errorf("address %q", i.Address)
			}
		}
		for _, s := range c.Secrets {
			if s == "" {
				t.Error("an empty secret would hide everything")
			}
		}
		for name, o := range c.Outputs {
			if len(o.Value) > 0 && !json.Valid(o.Value) {
				t.Errorf("output %s has value %q", name, o.Value)
			}
		}
		again, err := stack.Read(raw)
		if err != nil || again.Managed() != c.Managed() || strings.Join(again.Secrets, "\x00") != strings.Join(c.Secrets, "\x00") {
			t.Error("read again, it is another")
		}
	})
}
