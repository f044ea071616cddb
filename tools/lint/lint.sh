#!/bin/sh
# Builds the pinned golangci-lint into CACHE, once per version, and runs it in
# every module of the workspace.
set -eu
version=$(cd tools/lint && GOWORK=off go list -m -f '{{.Version}}' github.com/golangci/golangci-lint/v2)
bin="$CACHE/golangci-lint-$version-$(go env GOVERSION)"
if [ ! -x "$bin" ]; then
	echo "Building golangci-lint $version; this takes some minutes, once." >&2
	mkdir -p "$CACHE"
	(cd tools/lint && GOWORK=off go build -o "$bin.$$" github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
	mv "$bin.$$" "$bin"
fi
modules=0 failed=""
for dir in $(go list -m -f '{{.Dir}}'); do
	modules=$((modules + 1))
	(cd "$dir" && "$bin" run --allow-parallel-runners --config "$OLDPWD/.golangci.yaml" ./...) || failed="$failed ${dir#"$PWD"/}"
done
if [ -n "$failed" ]; then
	echo "lint: of $modules modules these have findings:$failed"
	exit 1
fi
echo "lint: $modules modules, no findings"
