package client

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestStacks_EachCall_AsksForWhatItSays(t *testing.T) {
	t.Parallel()
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(body)))
		switch {
		case strings.HasSuffix(r.URL.Path, "/versions"):
			fmt.Fprint(w, `{"items":[{"number":2,"serial":7}],"nextCursor":"more"}`)
		case strings.HasSuffix(r.URL.Path, "/stacks"):
			fmt.Fprint(w, `{"items":[{"name":"shop.dev.bucket","version":{"serial":7}}]}`)
		default:
			fmt.Fprint(w, `{"name":"shop.dev.bucket","status":"held","lock":{"run":"run-1"}}`)
		}
	})
	page, err := c.Stacks(t.Context(), "shop", StackFilter{Environment: "dev", Limit: 5})
	if err != nil || len(page.Items) != 1 || page.Items[0].Version.Serial != 7 {
		t.Fatalf("%v %v", page, err)
	}
	s, err := c.Stack(t.Context(), "shop", "shop.dev.bucket")
	if err != nil || s.Lock.Run != "run-1" {
		t.Fatalf("%v %v", s, err)
	}
	versions, err := c.StackVersions(t.Context(), "shop", "shop.dev.bucket", 3, "c")
	if err != nil || versions.NextCursor != "more" || versions.Items[0].Number != 2 {
		t.Fatalf("%v %v", versions, err)
	}
	if _, err := c.UnlockStack(t.Context(), "shop", "shop.dev.bucket", "it is dead"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GET /api/v1/projects/shop/stacks?environment=dev&limit=5",
		"GET /api/v1/projects/shop/stacks/shop.dev.bucket",
		"GET /api/v1/projects/shop/stacks/shop.dev.bucket/versions?cursor=c&limit=3",
		`POST /api/v1/projects/shop/stacks/shop.dev.bucket/unlock {"reason":"it is dead"}`,
	}
	if got := strings.Join(asked, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("asked\n%s", got)
	}
}
