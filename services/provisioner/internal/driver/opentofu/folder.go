package opentofu

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// folderOf is what stands in inputs for the stack's own folder. All other
// placeholders are replaced by now: what looks like one is a value, perhaps a
// secret one, and stays as it is.
const folderOf = "${stack.folder}"

// place puts the stack's own folder where inputs ask for it.
func (d *Driver) place(ctx context.Context, st stack.Stack, inputs map[string]any) (map[string]any, error) {
	if len(inputs) == 0 || !asks(inputs) {
		return inputs, nil
	}
	if d.c.Folder == nil {
		return nil, driver.Permanent(fmt.Errorf("the inputs of %s ask for %s, and this platform keeps no folders for stacks", st.Name, folderOf))
	}
	folder, err := d.c.Folder(ctx, st)
	if err != nil {
		return nil, err
	}
	return put(inputs, folder).(map[string]any), nil
}

func asks(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, folderOf)
	case map[string]any:
		for _, one := range v {
			if asks(one) {
				return true
			}
		}
	case []any:
		for _, one := range v {
			if asks(one) {
				return true
			}
		}
	}
	return false
}

func put(v any, folder string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, folderOf, folder)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, one := range v {
			out[k] = put(one, folder)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = put(one, folder)
		}
		return out
	}
	return v
}
