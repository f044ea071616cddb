package stream

import (
	"errors"
	"fmt"
	"strings"

	cesql "github.com/cloudevents/sdk-go/sql/v2"
	"github.com/cloudevents/sdk-go/sql/v2/parser"

	"github.com/slipway-idp/slipway/events"
)

// maxFilter bounds an expression, in characters.
const maxFilter = 1024

// Filter is a CloudEvents SQL expression (CESQL 1.0). A nil Filter lets all
// through.
type Filter struct{ expression cesql.Expression }

// ParseFilter compiles an expression.
func ParseFilter(text string) (f *Filter, err error) {
	if len(text) > maxFilter {
		return nil, fmt.Errorf("is longer than %d characters", maxFilter)
	}
	defer func() { // the parser is generated code: what it stumbles over is a wrong filter
		if recover() != nil {
			f, err = nil, errors.New("is not a CESQL expression")
		}
	}()
	expression, err := parser.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("is not a CESQL expression: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	return &Filter{expression: expression}, nil
}

// Match evaluates the filter. An event that it cannot be evaluated on (a
// missing attribute, another type) does not match, as the CloudEvents
// Subscriptions API says.
func (f *Filter) Match(e events.Event) (match bool) {
	if f == nil {
		return true
	}
	defer func() {
		if recover() != nil {
			match = false
		}
	}()
	result, err := f.expression.Evaluate(e)
	match, _ = result.(bool)
	return match && err == nil
}
