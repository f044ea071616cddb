package drivertest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// Interruption is something that happens to whoever carries a driver's work
// out: killed, restarted, away.
type Interruption struct {
	Name string
	// Arm makes the next operation ("apply" or "destroy") stand still at some
	// moment. strike waits until it does, interrupts, and lets what is left go on.
	Arm func(t *testing.T, operation string) (strike func(t *testing.T))
}

// more are the cases that not every driver can show.
func (b *bench) more(t *testing.T) {
	ref := driver.Ref{Name: b.name, Kind: b.Kind}
	t.Run("Apply_CutOff_IsFinishedByTheNext", func(t *testing.T) {
		d, _ := b.fresh(t)
		r := b.request(b.Inputs)
		cut, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = d.Apply(cut, r) // whatever came of it
		a, err := apply(t, d, r)
		require.NoError(t, err)
		b.write(t, a)
		b.check(t, a)
		require.NoError(t, b.destroy(t, d, ref))
		b.gone(t, a)
	})
	t.Run("Repeated_MadeChangedAndDestroyed_EachTimeAsTheFirst", func(t *testing.T) {
		d, _ := b.fresh(t)
		for range 3 {
			a, err := apply(t, d, b.request(b.Inputs))
			require.NoError(t, err)
			require.Equal(t, driver.Create, a.Action)
			if b.Changed != nil {
				a, err = apply(t, d, b.again(b.Changed, a))
				require.NoError(t, err)
				require.Equal(t, driver.Change, a.Action)
			}
			require.NoError(t, b.destroy(t, d, ref))
			b.gone(t, a)
		}
	})
	t.Run("Outputs_NotAsDeclared_FailForGoodAndCanBeDestroyed", func(t *testing.T) {
		if b.Undeclared == nil {
			return // it declares none
		}
		d, _ := b.fresh(t)
		r := b.request(b.Inputs)
		r.Module = b.Undeclared
		_, err := apply(t, d, r)
		require.Error(t, err)
		require.True(t, driver.IsPermanent(err))
		require.ErrorContains(t, err, "declares the output")
		require.NoError(t, b.destroy(t, d, ref))
		b.gone(t, driver.Applied{})
	})
	t.Run("Drift_IsSeenAndPutRightByApplyAlone", func(t *testing.T) {
		if b.Disturb == nil {
			return // nothing of it can be changed behind its back, or it does not look
		}
		d, _ := b.fresh(t)
		a, err := apply(t, d, b.request(b.Inputs))
		require.NoError(t, err)
		look := func() []string {
			t.Helper()
			r := b.again(b.Inputs, a)
			var found driver.Difference
			require.NoError(t, await(t.Context(), t, func(ctx context.Context) error {
				var err error
				found, err = d.(driver.Drifter).Drift(ctx, r)
				return err
			}))
			return found.Lines
		}
		require.Empty(t, look())
		b.Disturb(t, b.name)
		first := look()
		require.NotEmpty(t, first)
		require.Equal(t, first, look(), "the same difference is told in the same words")
		mended, err := apply(t, d, b.again(b.Inputs, a))
		require.NoError(t, err)
		require.Equal(t, driver.Change, mended.Action)
		require.Empty(t, look())
	})
	for _, i := range b.Interruptions {
		t.Run("Interrupted_"+i.Name+"_WhileApplying_EndsWholeOrCanBeDestroyed", func(t *testing.T) {
			d, _ := b.fresh(t)
			r := b.request(b.Inputs)
			strike := i.Arm(t, "apply")
			_, err := d.Apply(t.Context(), r)
			_, waits := driver.AsNotYet(err)
			require.True(t, waits, "it was done before it could be interrupted: %v", err)
			strike(t)
			a, err := apply(t, d, r)
			if err == nil {
				b.write(t, a)
				b.check(t, a)
			}
			require.NoError(t, b.destroy(t, d, ref))
			b.gone(t, a)
		})
		t.Run("Interrupted_"+i.Name+"_WhileDestroying_IsGoneInTheEnd", func(t *testing.T) {
			d, _ := b.fresh(t)
			a, err := apply(t, d, b.request(b.Inputs))
			require.NoError(t, err)
			strike := i.Arm(t, "destroy")
			by := b.operation()
			_, waits := driver.AsNotYet(d.Destroy(t.Context(), ref, by))
			require.True(t, waits)
			strike(t)
			for {
				err := await(t.Context(), t, func(ctx context.Context) error { return d.Destroy(ctx, ref, by) })
				if err == nil {
					break
				}
				require.False(t, driver.IsPermanent(err), "%v", err)
			}
			b.gone(t, a)
		})
	}
	t.Run("OutcomeUnknown_IsHeldUntilAPersonLooked", func(t *testing.T) {
		if b.Unknown == nil {
			return // it always finds out
		}
		d, _ := b.fresh(t)
		strike, look := b.Unknown(t, b.name)
		r := b.request(b.Inputs)
		_, err := d.Apply(t.Context(), r)
		_, waits := driver.AsNotYet(err)
		require.True(t, waits, "%v", err)
		strike(t)
		_, err = apply(t, d, r)
		require.Error(t, err)
		require.True(t, driver.IsPermanent(err))
		err = b.destroy(t, d, ref)
		require.Error(t, err, "what may be there is not forgotten")
		require.True(t, driver.IsPermanent(err))
		look()
		require.NoError(t, b.destroy(t, d, ref))
		b.gone(t, driver.Applied{})
	})
}

func (b *bench) gone(t *testing.T, a driver.Applied) {
	t.Helper()
	if b.Gone != nil {
		b.Gone(t, b.name, a)
	}
}
