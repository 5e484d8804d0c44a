#!/usr/bin/env bash
# Find a ticket by iterative magnitude pruning; prints the job's id.
. "$(dirname "$0")/common.sh"
[ $# -ge 2 ] && [ $# -le 4 ] || usage "$0 ARCHITECTURE DATASET [LEVEL] [LENGTH]   e.g. mlp_2 digits 10 40ep"

post /find "$(printf '{
  "architecture": "%s",
  "dataset": "%s",
  "method": "imp",
  "parameters": {"level": %s},
  "recipe": {"length": "%s"},
  "seeds": [0]
}' "$1" "$2" "${3:-10}" "${4:-40ep}")" | pick id
