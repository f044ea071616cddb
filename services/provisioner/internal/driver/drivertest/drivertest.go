// Package drivertest is the suite that every driver passes. To use it for a
// new driver, call Run with a Subject per kind from the driver's own test.
package drivertest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// Subject is one kind of a driver under test.
type Subject struct {
	// New is a driver over a world of its own. Called again with reopen true it
	// is a new one over the same world, as after a restart of the platform.
	New  func(t *testing.T, reopen bool) driver.Driver
	Kind string
	// Inputs are valid ones; Changed differ from them, nil if nothing can be changed.
	Inputs, Changed map[string]any
	// Write and Check, where set, put something into the resource and prove
	// that it is still there: data outlives Apply, change and restart.
	Write, Check func(t *testing.T, a driver.Applied)
	// Kill, where set, takes down what runs, as a crash would.
	Kill func(t *testing.T, name string)
	// Gone proves, without asking the driver, that nothing is left.
	Gone func(t *testing.T, name string, a driver.Applied)
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	name := "shop.dev." + s.Kind
	request := func(inputs map[string]any) driver.Request {
		return driver.Request{Ref: driver.Ref{Name: name, Kind: s.Kind}, Inputs: inputs}
	}
	again := func(inputs map[string]any, a driver.Applied) driver.Request {
		r := request(inputs)
		r.Secrets, r.State = a.Secrets, a.State
		return r
	}
	kindOf := func(t *testing.T, d driver.Driver) driver.Kind {
		for _, k := range d.Kinds() {
			if k.Name == s.Kind {
				return k
			}
		}
		t.Fatalf("the driver does not list kind %s", s.Kind)
		return driver.Kind{}
	}
	fresh := func(t *testing.T) (driver.Driver, context.Context) {
		d := s.New(t, false)
		t.Cleanup(func() { require.NoError(t, d.Destroy(context.Background(), driver.Ref{Name: name, Kind: s.Kind})) })
		return d, t.Context()
	}

	t.Run("Check_UnknownKindOrInput_IsAnError", func(t *testing.T) {
		d := s.New(t, false)
		require.ErrorIs(t, d.Check("no-such-kind", nil), driver.ErrUnknownKind)
		require.ErrorContains(t, d.Check(s.Kind, map[string]any{"no-such-input": 1}), "no-such-input")
		require.NoError(t, d.Check(s.Kind, s.Inputs))
	})
	t.Run("Apply_New_IsCreatedAndGivesEveryOutput", func(t *testing.T) {
		d, ctx := fresh(t)
		plan, err := d.Plan(ctx, request(s.Inputs))
		require.NoError(t, err)
		require.Equal(t, driver.Create, plan.Action)
		seen, err := d.Read(ctx, driver.Ref{Name: name, Kind: s.Kind})
		require.NoError(t, err)
		require.False(t, seen.Exists, "Plan made something")

		a, err := d.Apply(ctx, request(s.Inputs))
		require.NoError(t, err)
		require.Equal(t, driver.Create, a.Action)
		kind := kindOf(t, d)
		for _, key := range kind.Secrets {
			require.NotEmpty(t, a.Secrets[key], "secret output %s", key)
			require.NotContains(t, a.Outputs, key, "a secret among the plain outputs")
			require.NotContains(t, string(a.State), a.Secrets[key], "a secret in the state")
		}
		for key := range a.Outputs {
			require.Contains(t, kind.Outputs, key, "an output that the kind does not list")
		}
		seen, err = d.Read(ctx, driver.Ref{Name: name, Kind: s.Kind})
		require.NoError(t, err)
		require.True(t, seen.Exists)
		require.True(t, seen.Healthy, seen.Detail)
	})
	t.Run("Apply_Again_ChangesNothingAndAnswersTheSame", func(t *testing.T) {
		d, ctx := fresh(t)
		first, err := d.Apply(ctx, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, first)
		plan, err := d.Plan(ctx, again(s.Inputs, first))
		require.NoError(t, err)
		require.Equal(t, driver.Unchanged, plan.Action)
		second, err := d.Apply(ctx, again(s.Inputs, first))
		require.NoError(t, err)
		require.Equal(t, driver.Unchanged, second.Action)
		require.Equal(t, first.Outputs, second.Outputs)
		require.Equal(t, first.Secrets, second.Secrets)
		s.check(t, second)
	})
	t.Run("Apply_AnswerLostInACrash_AnotherDriverFinishesIt", func(t *testing.T) {
		_, ctx := fresh(t)
		d := s.New(t, true)
		_, err := d.Apply(ctx, request(s.Inputs)) // nobody kept the answer
		require.NoError(t, err)
		a, err := s.New(t, true).Apply(ctx, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, a)
		s.check(t, a)
	})
	t.Run("Apply_OtherInputs_IsChangedAndKeepsTheData", func(t *testing.T) {
		if s.Changed == nil {
			return // this kind has nothing that can be changed
		}
		d, ctx := fresh(t)
		first, err := d.Apply(ctx, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, first)
		plan, err := d.Plan(ctx, again(s.Changed, first))
		require.NoError(t, err)
		require.Equal(t, driver.Change, plan.Action)
		second, err := d.Apply(ctx, again(s.Changed, first))
		require.NoError(t, err)
		require.Equal(t, driver.Change, second.Action)
		s.check(t, second)
	})
	t.Run("Restart_ResourceRunsOn_IsFoundAgain", func(t *testing.T) {
		d, ctx := fresh(t)
		a, err := d.Apply(ctx, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, a)
		later := s.New(t, true)
		seen, err := later.Read(ctx, driver.Ref{Name: name, Kind: s.Kind})
		require.NoError(t, err)
		require.True(t, seen.Healthy, seen.Detail)
		s.check(t, a)
	})
	t.Run("Restart_ResourceDied_IsBroughtBackWithDataAndOutputs", func(t *testing.T) {
		if s.Kill == nil {
			return // nothing runs that could die
		}
		d, ctx := fresh(t)
		a, err := d.Apply(ctx, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, a)
		s.Kill(t, name)
		later := s.New(t, true)
		seen, err := later.Read(ctx, driver.Ref{Name: name, Kind: s.Kind})
		require.NoError(t, err)
		require.True(t, seen.Exists)
		require.False(t, seen.Healthy)
		require.NotEmpty(t, seen.Detail)
		back, err := later.Apply(ctx, again(s.Inputs, a))
		require.NoError(t, err)
		require.Equal(t, a.Outputs, back.Outputs)
		require.Equal(t, a.Secrets, back.Secrets)
		s.check(t, back)
	})
	t.Run("Destroy_NothingIsLeftAndItCanBeRepeated", func(t *testing.T) {
		d, ctx := fresh(t)
		a, err := d.Apply(ctx, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, a)
		ref := driver.Ref{Name: name, Kind: s.Kind}
		require.NoError(t, d.Destroy(ctx, ref))
		require.NoError(t, d.Destroy(ctx, ref))
		seen, err := d.Read(ctx, ref)
		require.NoError(t, err)
		require.False(t, seen.Exists)
		if s.Gone != nil {
			s.Gone(t, name, a)
		}
		// Made again it is a new one, not the old one's ghost.
		b, err := d.Apply(ctx, request(s.Inputs))
		require.NoError(t, err)
		require.Equal(t, driver.Create, b.Action)
	})
	t.Run("Destroy_WhatNeverWas_IsNoError", func(t *testing.T) {
		d := s.New(t, false)
		require.NoError(t, d.Destroy(t.Context(), driver.Ref{Name: "shop.dev.never", Kind: s.Kind}))
	})
	t.Run("Read_WhatNeverWas_SaysSo", func(t *testing.T) {
		d := s.New(t, false)
		seen, err := d.Read(t.Context(), driver.Ref{Name: "shop.dev.never", Kind: s.Kind})
		require.NoError(t, err)
		require.False(t, seen.Exists)
	})
}

func (s Subject) write(t *testing.T, a driver.Applied) {
	if s.Write != nil {
		s.Write(t, a)
	}
}

func (s Subject) check(t *testing.T, a driver.Applied) {
	if s.Check != nil {
		s.Check(t, a)
	}
}
