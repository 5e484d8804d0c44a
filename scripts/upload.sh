#!/usr/bin/env bash
# Upload a ticket file; prints the ticket's id. The same ticket again has the same id.
. "$(dirname "$0")/common.sh"
[ $# -ge 1 ] && [ $# -le 2 ] || usage "$0 FILE [TAG]"

call /tickets --form "file=@$1" ${2:+--form-string "tag=$2"} | pick id
