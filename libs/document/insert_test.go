package document_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/document"
)

func TestInsert_FieldIsThereAndPlacesLeadBack(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"block":          "apiVersion: a\nkind: K\nmetadata: {name: x}\nspec:\n  module:\n    folder: ./x # why\n  wrong: 1\n",
		"braces":         "apiVersion: a\nkind: K\nmetadata: {name: x}\nspec:\n  module: {folder: ./x, other: 2}\n  wrong: 1\n",
		"braces, broken": "apiVersion: a\nkind: K\nmetadata: {name: x}\nspec: {module: {\n    folder: ./x },\n  wrong: 1}\n",
		"after another":  "apiVersion: a\nkind: K\nmetadata: {name: x}\nspec:\n  module:\n    other: 2\n    folder: >-\n      ./x\n  wrong: 1\n",
		"in a list":      "apiVersion: a\nkind: K\nmetadata: {name: ä}\nspec: {module: {ä: ö, folder: ./x}, wrong: 1}\n",
		"json":           `{"apiVersion": "a", "kind": "K", "metadata": {"name": "x"}, "spec": {"module": {"folder": "./x"}, "wrong": 1}}`,
		"json list":      "[\n  {\"apiVersion\": \"a\", \"kind\": \"K\", \"metadata\": {\"name\": \"x\"},\n \"spec\": {\"module\": {\n \"folder\": \"./x\"}, \"wrong\": 1}}]",
		"tabless block":  "---\napiVersion: a\nkind: K\nmetadata: {name: x}\nspec:\n    module:\n          folder: './x'\n          other: 2\n    wrong: 1\n",
	} {
		docs, faults := document.Split("f.yaml", strings.NewReader(text))
		require.Empty(t, faults, name)
		in, ok := docs[0].Add("/spec/module/folder", "digest", "sha256:1")
		require.True(t, ok, name)
		out, back := document.Insert([]byte(text), []document.Insertion{in})
		again, faults := document.Split("f.yaml", strings.NewReader(string(out)))
		require.Empty(t, faults, name+"\n"+string(out))
		require.Contains(t, string(again[0].JSON()), `"digest":"sha256:1"`, name)
		require.Contains(t, string(again[0].JSON()), `"folder":"./x"`, name)
		for _, pointer := range []string{"/spec/wrong", "/spec/module/folder", "/spec/module", "/kind", "/spec/module/other"} {
			was, is := docs[0].Fault(pointer, "", ""), again[0].Fault(pointer, "", "")
			line, column := back(is.Line, is.Column)
			require.Equal(t, [2]int{was.Line, was.Column}, [2]int{line, column}, "%s %s\n%s", name, pointer, out)
		}
		_, ok = docs[0].Add("/spec/nothing/here", "digest", "x")
		require.False(t, ok)
	}
}

func TestInsert_SeveralInOneSource_AllPlacesLeadBack(t *testing.T) {
	t.Parallel()
	one := "apiVersion: a\nkind: K\nmetadata: {name: x}\nspec:\n  module:\n    folder: ./x\n  wrong: 1\n"
	two := "apiVersion: a\nkind: K\nmetadata: {name: y}\nspec: {module: {folder: ./y}, wrong: 1}\n"
	text := one + "---\n" + two + "---\n" + one
	docs, _ := document.Split("f.yaml", strings.NewReader(text))
	var list []document.Insertion
	for _, d := range docs {
		in, ok := d.Add("/spec/module/folder", "digest", "sha256:"+d.Metadata.Name)
		require.True(t, ok)
		list = append([]document.Insertion{in}, list...)
	}
	out, back := document.Insert([]byte(text), list)
	again, faults := document.Split("f.yaml", strings.NewReader(string(out)))
	require.Empty(t, faults, string(out))
	for i, d := range again {
		require.Contains(t, string(d.JSON()), `"digest":"sha256:`+d.Metadata.Name+`"`)
		was, is := docs[i].Fault("/spec/wrong", "", ""), d.Fault("/spec/wrong", "", "")
		line, column := back(is.Line, is.Column)
		require.Equal(t, [2]int{was.Line, was.Column}, [2]int{line, column})
	}
}
