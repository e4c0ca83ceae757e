#!/bin/sh
# fuzz.sh PACKAGE:FUNCTION:COUNT... runs each fuzz target on COUNT new inputs
# ("2000x"), or for $FUZZTIME where that is set.
# A target that does not exist is a failure: `go test -fuzz` alone only warns.
set -eu

for target in "$@"; do
	package=${target%%:*} count=${target##*:}
	function=${target#*:} function=${function%:*}
	for=${FUZZTIME:-$count}
	echo "fuzzing $package $function for $for"
	list=$(go test -list "^$function\$" "$package")
	if ! echo "$list" | grep -qx "$function"; then
		echo "no fuzz target $function in $package" >&2
		exit 1
	fi
	go test -run '^$' -fuzz "^$function\$" -fuzztime "$for" -fuzzminimizetime 100x "$package"
done
