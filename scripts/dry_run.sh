#!/usr/bin/env bash
# Tell what stretching or squeezing a ticket would do, and do nothing; prints the unit map and the totals.
. "$(dirname "$0")/common.sh"
[ $# -ge 2 ] && [ $# -le 3 ] || usage "$0 TICKET ARCHITECTURE [ORDER]   orders: append interpolate drop_last drop_first drop_even"

order=${3:+, \"order\": \"$3\"}
post '/transform?dry_run=true' "{\"tickets\": [\"$1\"], \"architecture\": \"$2\"$order}" | python3 -c '
import json, sys
for plan in json.load(sys.stdin)["tickets"]:
    before, after = plan["before"], plan["after"]
    print(plan["unit_map"])
    print("{} of {} weights survive, then {} of {}".format(
        before["survivors"], before["prunable"], after["survivors"], after["prunable"]))'
