#!/bin/sh
# Runs every fuzz target of the workspace for FUZZTIME, one after another.
set -eu
ran=0 failed=""
for file in $(git ls-files --cached --others --exclude-standard '*_test.go'); do
	[ -f "$file" ] || continue
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "== $(dirname "$file") $target"
		ran=$((ran + 1))
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" "./$(dirname "$file")" || failed="$failed $target"
	done
done
if [ -n "$failed" ]; then
	echo "fuzz: of $ran targets these found something:$failed"
	exit 1
fi
[ "$ran" -gt 0 ] || { echo "fuzz: no target was found"; exit 1; }
echo "fuzz: $ran targets, nothing found in ${FUZZTIME:-20s} each"
