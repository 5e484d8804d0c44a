#!/usr/bin/env bash
# Train a ticket from its rewind point; prints the job's id.
. "$(dirname "$0")/common.sh"
[ $# -ge 2 ] && [ $# -le 3 ] || usage "$0 TICKET DATASET [LENGTH]   e.g. 9f2c… digits 40ep"

post /train "$(printf '{"tickets": ["%s"], "dataset": "%s", "recipe": {"length": "%s"}}' "$1" "$2" "${3:-40ep}")" | pick id
