#!/bin/sh
# fuzz.sh DURATION PACKAGE:FUNCTION... runs each fuzz target for DURATION.
# A target that does not exist is a failure: `go test -fuzz` alone only warns.
set -eu

duration=$1
shift
for target in "$@"; do
	package=${target%:*} function=${target##*:}
	echo "fuzzing $package $function for $duration"
	list=$(go test -list "^$function\$" "$package")
	if ! echo "$list" | grep -qx "$function"; then
		echo "no fuzz target $function in $package" >&2
		exit 1
	fi
	go test -run '^$' -fuzz "^$function\$" -fuzztime "$duration" -fuzzminimizetime 100x "$package"
done
