// Package drivertest is the suite that every driver passes. To use it for a
// new driver, call Run with a Subject per kind from the driver's own test.
package drivertest

import (
	"strings"
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
	// Module, where set, is what the definition says beside the inputs.
	Module *driver.Module
	// Write and Check, where set, put something into the resource and prove
	// that it is still there: data outlives Apply, change and restart.
	Write, Check func(t *testing.T, a driver.Applied)
	// Kill, where set, takes down what runs, as a crash would.
	Kill func(t *testing.T, name string)
	// Undeclared is Module with declared outputs that it does not keep to.
	Undeclared *driver.Module
	// Disturb, where set, changes the resource behind the driver's back; the
	// driver is a driver.Drifter.
	Disturb func(t *testing.T, name string)
	// Interruptions are what may happen while it is at work; for drivers that
	// answer "not yet".
	Interruptions []Interruption
	// Unknown, where set, makes the next Apply stand still; strike ends it so
	// that nobody knows what it made. look is what a person does then.
	Unknown func(t *testing.T, name string) (strike func(t *testing.T), look func())
	// Gone proves, without asking the driver, that nothing is left.
	Gone func(t *testing.T, name string, a driver.Applied)
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	b := &bench{Subject: s, name: "shop.dev." + strings.ReplaceAll(s.Kind, driver.AnyKind, "any")}
	request, again, kindOf, fresh := b.request, b.again, b.kindOf, b.fresh
	name := b.name

	t.Run("Check_UnknownKindOrInput_IsAnError", func(t *testing.T) {
		d := s.New(t, false)
		require.NoError(t, d.Check(s.Kind, s.Inputs))
		if kindOf(t, d).Name == driver.AnyKind {
			return // what it takes is known once its module was read
		}
		require.ErrorIs(t, d.Check("no-such-kind", nil), driver.ErrUnknownKind)
		require.ErrorContains(t, d.Check(s.Kind, map[string]any{"no-such-input": 1}), "no-such-input")
	})
	t.Run("Apply_New_IsCreatedAndGivesEveryOutput", func(t *testing.T) {
		d, ctx := fresh(t)
		plan, err := d.Plan(ctx, request(s.Inputs))
		require.NoError(t, err)
		require.Equal(t, driver.Create, plan.Action)
		seen, err := d.Read(ctx, driver.Ref{Name: name, Kind: s.Kind})
		require.NoError(t, err)
		require.False(t, seen.Exists, "Plan made something")

		a, err := apply(t, d, request(s.Inputs))
		require.NoError(t, err)
		require.Equal(t, driver.Create, a.Action)
		kind := kindOf(t, d)
		for _, key := range kind.Secrets {
			require.NotEmpty(t, a.Secrets[key], "secret output %s", key)
			require.NotContains(t, a.Outputs, key, "a secret among the plain outputs")
			require.NotContains(t, string(a.State), a.Secrets[key], "a secret in the state")
		}
		for key := range a.Outputs {
			if kind.Name != driver.AnyKind {
				require.Contains(t, kind.Outputs, key, "an output that the kind does not list")
			}
		}
		for key, value := range a.Secrets {
			require.NotContains(t, a.Outputs, key, "a secret among the plain outputs")
			require.NotContains(t, string(a.State), value, "a secret in the state")
		}
		seen, err = d.Read(ctx, driver.Ref{Name: name, Kind: s.Kind})
		require.NoError(t, err)
		require.True(t, seen.Exists)
		require.True(t, seen.Healthy, seen.Detail)
	})
	t.Run("Apply_Again_ChangesNothingAndAnswersTheSame", func(t *testing.T) {
		d, ctx := fresh(t)
		first, err := apply(t, d, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, first)
		plan, err := d.Plan(ctx, again(s.Inputs, first))
		require.NoError(t, err)
		require.Equal(t, driver.Unchanged, plan.Action)
		second, err := apply(t, d, again(s.Inputs, first))
		require.NoError(t, err)
		require.Equal(t, driver.Unchanged, second.Action)
		require.Equal(t, first.Outputs, second.Outputs)
		require.Equal(t, first.Secrets, second.Secrets)
		s.check(t, second)
	})
	t.Run("Apply_AnswerLostInACrash_AnotherDriverFinishesIt", func(t *testing.T) {
		fresh(t)
		d := s.New(t, true)
		lost := request(s.Inputs)
		_, err := apply(t, d, lost) // nobody kept the answer
		require.NoError(t, err)
		a, err := apply(t, s.New(t, true), lost)
		require.NoError(t, err)
		s.write(t, a)
		s.check(t, a)
	})
	t.Run("Apply_OtherInputs_IsChangedAndKeepsTheData", func(t *testing.T) {
		if s.Changed == nil {
			return // this kind has nothing that can be changed
		}
		d, ctx := fresh(t)
		first, err := apply(t, d, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, first)
		plan, err := d.Plan(ctx, again(s.Changed, first))
		require.NoError(t, err)
		require.Equal(t, driver.Change, plan.Action)
		second, err := apply(t, d, again(s.Changed, first))
		require.NoError(t, err)
		require.Equal(t, driver.Change, second.Action)
		s.check(t, second)
	})
	t.Run("Restart_ResourceRunsOn_IsFoundAgain", func(t *testing.T) {
		d, ctx := fresh(t)
		a, err := apply(t, d, request(s.Inputs))
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
		a, err := apply(t, d, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, a)
		s.Kill(t, name)
		later := s.New(t, true)
		seen, err := later.Read(ctx, driver.Ref{Name: name, Kind: s.Kind})
		require.NoError(t, err)
		require.True(t, seen.Exists)
		require.False(t, seen.Healthy)
		require.NotEmpty(t, seen.Detail)
		back, err := apply(t, later, again(s.Inputs, a))
		require.NoError(t, err)
		require.Equal(t, a.Outputs, back.Outputs)
		require.Equal(t, a.Secrets, back.Secrets)
		s.check(t, back)
	})
	t.Run("Destroy_NothingIsLeftAndItCanBeRepeated", func(t *testing.T) {
		d, ctx := fresh(t)
		a, err := apply(t, d, request(s.Inputs))
		require.NoError(t, err)
		s.write(t, a)
		ref := driver.Ref{Name: name, Kind: s.Kind}
		require.NoError(t, b.destroy(t, d, ref))
		require.NoError(t, b.destroy(t, d, ref))
		seen, err := d.Read(ctx, ref)
		require.NoError(t, err)
		require.False(t, seen.Exists)
		if s.Gone != nil {
			s.Gone(t, name, a)
		}
		// Made again it is a new one, not the old one's ghost.
		b, err := apply(t, d, request(s.Inputs))
		require.NoError(t, err)
		require.Equal(t, driver.Create, b.Action)
	})
	t.Run("Destroy_WhatNeverWas_IsNoError", func(t *testing.T) {
		d := s.New(t, false)
		require.NoError(t, b.destroy(t, d, driver.Ref{Name: "shop.dev.never", Kind: s.Kind}))
	})
	t.Run("Read_WhatNeverWas_SaysSo", func(t *testing.T) {
		d := s.New(t, false)
		seen, err := d.Read(t.Context(), driver.Ref{Name: "shop.dev.never", Kind: s.Kind})
		require.NoError(t, err)
		require.False(t, seen.Exists)
	})
	b.more(t)
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
