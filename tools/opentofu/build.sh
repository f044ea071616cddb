#!/bin/sh
# Builds the pinned OpenTofu into CACHE, once per version, and puts it beside
# slipway as bin/tofu.
set -eu
version=$(cd tools/opentofu && GOWORK=off go list -m -f '{{.Version}}' github.com/opentofu/opentofu)
built="$CACHE/tofu-$version-$(go env GOVERSION)-$(go env GOOS)-$(go env GOARCH)"
if [ ! -x "$built" ]; then
	echo "Building OpenTofu $version; this takes some minutes, once." >&2
	mkdir -p "$CACHE"
	(cd tools/opentofu && GOWORK=off go build -ldflags '-s -w -X github.com/opentofu/opentofu/version.dev=no' -o "$built.$$" github.com/opentofu/opentofu/cmd/tofu)
	mv "$built.$$" "$built"
fi
mkdir -p bin
if ! cmp -s "$built" bin/tofu; then
	cp "$built" "bin/tofu.$$"
	mv "bin/tofu.$$" bin/tofu
fi
echo "bin/tofu is OpenTofu ${version#v}"
