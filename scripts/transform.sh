#!/usr/bin/env bash
# Stretch or squeeze a ticket into another member of its family; prints the job's id.
. "$(dirname "$0")/common.sh"
[ $# -ge 2 ] && [ $# -le 3 ] || usage "$0 TICKET ARCHITECTURE [ORDER]   orders: append interpolate drop_last drop_first drop_even"

order=${3:+, \"order\": \"$3\"}
post /transform "{\"tickets\": [\"$1\"], \"architecture\": \"$2\"$order}" | pick id
