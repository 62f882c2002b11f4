#!/bin/sh
# The payload is a JSON string on stdin, the result is JSON on stdout, the log is stderr.
set -eu
path=$(tr -d '"')

if [ ! -e "$path" ]; then
    echo "$path is not there yet" >&2
    exit 75 # try again
fi
echo "::progress 0 reading $path" >&2
sum=$(sha256sum < "$path")
echo "::progress 1 done" >&2
printf '{"sha256": "%s", "attempt": %s}\n' "${sum%% *}" "$JOBWORKER_JOB_ATTEMPT"
