#!/bin/sh
# suite.sh TARGET... runs each make target, goes on after a failure, and ends
# with a table of results and times. Exit status 1 if any target failed.
set -u

table='' failed=''
for target in "$@"; do
	printf '\n== %s\n' "$target"
	start=$(date +%s)
	result=ok
	"${MAKE:-make}" --no-print-directory "$target" || { result=FAILED; failed="$failed $target"; }
	table="$table$(printf '%-10s %-7s %4d s' "$target" "$result" $(($(date +%s) - start)))
"
done

printf '\n%s' "$table"
if [ -n "$failed" ]; then
	printf 'FAILED:%s\n' "$failed"
	exit 1
fi
