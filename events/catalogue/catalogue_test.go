package catalogue_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
	"github.com/slipway-idp/slipway/events/cdevents"
)

func validator(t *testing.T) *catalogue.Validator {
	t.Helper()
	v, err := catalogue.NewValidator()
	require.NoError(t, err)
	return v
}

func examples(t *testing.T, eventType string) []events.Event {
	t.Helper()
	raws, err := events.ReleasedExamples(eventType)
	require.NoError(t, err)
	var out []events.Event
	for _, raw := range raws {
		var e events.Event
		require.NoError(t, e.UnmarshalJSON(raw))
		out = append(out, e)
	}
	return out
}

func TestReleasedExamples_OfEachTypeOfOurs_FitSchemaAndBinding(t *testing.T) {
	t.Parallel()
	v := validator(t)
	for _, d := range catalogue.All() {
		t.Run(d.Type, func(t *testing.T) {
			t.Parallel()
			for _, e := range examples(t, d.Type) {
				require.Equal(t, d.Type, e.Type())
				require.NoError(t, v.Validate(e))
				for _, ext := range []string{events.ExtCorrelation, events.ExtProject, events.ExtActor, events.ExtSequence} {
					require.NotEmpty(t, events.Extension(e, ext), ext)
				}
				header, body, err := events.EncodeNATS(e)
				require.NoError(t, err)
				back, err := events.DecodeNATS(header, body)
				require.NoError(t, err)
				require.Equal(t, e.ID(), back.ID())

				data := reflect.New(d.Data)
				require.NoError(t, back.DataAs(data.Interface()))
				require.False(t, data.Elem().IsZero(), "the example says nothing")
			}
		})
	}
}

func TestReleasedExamples_OfCDEventsThatSlipwayStates_AreValid(t *testing.T) {
	t.Parallel()
	stated := 0
	for _, d := range catalogue.CDEvents() {
		if d.Owner == "" {
			continue
		}
		stated++
		for _, e := range examples(t, d.Type) {
			require.NoError(t, cdevents.Validate(e), d.Type)
		}
	}
	require.Equal(t, 7, stated)
}

func TestReleasedExamples_EachFolder_IsOfAKnownType(t *testing.T) {
	t.Parallel()
	dirs, err := os.ReadDir(filepath.Join("..", "testdata"))
	require.NoError(t, err)
	for _, dir := range dirs {
		if dir.Name() == "fuzz" {
			continue
		}
		_, ok := catalogue.Lookup(dir.Name())
		require.True(t, ok, "testdata/%s is of a type that is not listed: released types stay", dir.Name())
	}
}

func TestReleasedExamples_UnknownType_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := events.ReleasedExamples("dev.slipway.no.such.v1")
	require.ErrorContains(t, err, "add events/testdata/dev.slipway.no.such.v1/001.json")
}

func TestAll_NamesAndRoutes_FollowTheRules(t *testing.T) {
	t.Parallel()
	owners := []string{"catalog", "deployer", "gateway", "notifier", "observer", "policy", "provisioner"}
	name := regexp.MustCompile(`^[a-z]+(\.[a-z]+)+$`)
	command := regexp.MustCompile(`^[a-z]+\.[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, d := range catalogue.All() {
		require.False(t, seen[d.Type], "%s is listed twice", d.Type)
		seen[d.Type] = true
		require.NoError(t, events.CheckType(d.Type))
		require.True(t, slices.Contains(owners, d.Owner), d.Owner)
		require.Equal(t, reflect.Struct, d.Data.Kind())
		if d.Route == events.Command {
			require.Regexp(t, command, d.Name)
		} else {
			require.Regexp(t, name, d.Name)
		}
	}
}

func TestAll_ListsAndMapsInData_AreLeftOutWhenEmpty(t *testing.T) {
	t.Parallel()
	var walk func(t *testing.T, st reflect.Type)
	walk = func(t *testing.T, st reflect.Type) {
		for i := range st.NumField() {
			f := st.Field(i)
			switch k := f.Type.Kind(); {
			case k == reflect.Slice || k == reflect.Map:
				require.True(t, strings.Contains(f.Tag.Get("json"), ",omitempty"), "%s.%s would be null in JSON when it is empty: add omitempty", st, f.Name)
				if e := f.Type.Elem(); e.Kind() == reflect.Struct {
					walk(t, e)
				}
			case k == reflect.Struct && f.Type.PkgPath() != "time":
				walk(t, f.Type)
			}
		}
	}
	for _, d := range catalogue.All() {
		walk(t, d.Data)
	}
}

func TestValidate_DataThatMissesAField_NamesIt(t *testing.T) {
	t.Parallel()
	e := examples(t, "dev.slipway.deployer.deployment.failed.v1")[0]
	e.DataEncoded = []byte(`{"deployment":"dpl-1","somethingNew":true}`)
	err := validator(t).Validate(e)
	var bad *events.DataError
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, "step")
}

func TestValidate_UnknownField_IsTolerated(t *testing.T) {
	t.Parallel()
	e := examples(t, "dev.slipway.deployer.saga.parked.v1")[0]
	e.DataEncoded = []byte(strings.Replace(string(e.Data()), "{", `{"fromTheFuture":1,`, 1))
	require.NoError(t, validator(t).Validate(e))
}

func TestLookup_CDEventOfAnyVersion_IsFound(t *testing.T) {
	t.Parallel()
	d, ok := catalogue.Lookup("dev.cdevents.service.deployed.0.1.1")
	require.True(t, ok)
	require.Equal(t, "deployer", d.Owner)
	_, ok = catalogue.Lookup("dev.slipway.deployer.deployment.failed.v2")
	require.False(t, ok)
	_, ok = catalogue.Lookup("com.acme.built")
	require.False(t, ok)
}

func TestSchema_EachType_IsThere(t *testing.T) {
	t.Parallel()
	for _, d := range append(catalogue.All(), catalogue.CDEvents()...) {
		raw, ok := catalogue.Schema(d.Type)
		require.True(t, ok, d.Type)
		require.NotEmpty(t, raw)
	}
	require.NotEmpty(t, catalogue.Summary("dev.slipway.deployer.deployment.failed.v1"))
	require.Empty(t, catalogue.Summary("com.acme.built"))
}
