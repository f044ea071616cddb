#!/bin/sh
# Begins a journal: a file for each year, as long as there is room for the year.
set -eu
room=$(df -Pk -- "$FOLDER" | {
	read -r _
	read -r _ _ _ kib _
	echo $((kib / 1048576))
})
year=1
while [ "$year" -le "$YEARS" ]; do
	printf 'journal of %s, year %s of %s\n' "$ABOUT" "$year" "$YEARS" > "$FOLDER/year-$year"
	need=$((year * GIB))
	if [ "$need" -gt "$room" ]; then
		echo "audit: year $year brings it to $need GiB; there are $room GiB on the disk of $FOLDER" >&2
		exit 1
	fi
	year=$((year + 1))
done
