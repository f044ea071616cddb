#!/bin/sh
# Checks what `make test` cannot see: that modules, generated files and format
# are as they should be. Every check runs; the last line sums up.
set -u
checks=0 failed=""

check() { # check NAME COMMAND...: the command's output is shown when it fails
	name=$1
	shift
	checks=$((checks + 1))
	if out=$("$@" 2>&1); then
		echo "ok    $name"
	else
		echo "FAIL  $name"
		echo "$out" | sed 's/^/      /'
		failed="$failed, $name"
	fi
}

formatted() {
	list=$(git ls-files --cached --others --exclude-standard '*.go' | while read -r f; do [ -f "$f" ] && echo "$f"; done | xargs gofmt -l)
	[ -z "$list" ] || { echo "not as gofmt writes them (make tidy):"; echo "$list"; return 1; }
}

state() { { git diff; git status --porcelain; } | git hash-object --stdin; }

# Generates into the tree and compares it with what was there, so that it also
# works with changes not yet committed.
generated() {
	before=$(state)
	make --no-print-directory generate || return 1
	[ "$before" = "$(state)" ] || { echo "make generate changed files: look at them and commit"; git status --short; return 1; }
}

tidy() { (cd "$1" && GOWORK=off go mod tidy -diff); }
alone() { (cd "$1" && GOWORK=off go build ./...); }

apart() { (cd "$1" && GOWORK=off go mod tidy -diff && GOWORK=off go vet ./...); }

check "every go.mod is listed and in step" go run ./tools/modsync -check
for dir in $(go list -m -f '{{.Dir}}'); do
	check "go mod tidy changes nothing in ${dir#"$PWD"/}" tidy "$dir"
done
for dir in deploy/examples/shop/*/go.mod; do
	[ -f "$dir" ] && check "builds as a user's own program: $(dirname "$dir")" alone "$(dirname "$dir")"
done
check "formatted" formatted
check "go vet" go vet work
check "go vet of tests that need more" go vet -tags mount,clients,engines,browser work
check "generated files are fresh" generated
check "vetted apart: tests/mongo" apart tests/mongo
check "vetted apart: tests/provider" apart tests/provider
for dir in events libs libs/client services/* tools/slipway; do
	check "builds alone: $dir" alone "$dir"
done

echo
if [ -n "$failed" ]; then
	echo "verify: $checks checks, failed: ${failed#, }"
	exit 1
fi
echo "verify: $checks checks, all hold"
