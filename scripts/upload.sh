#!/usr/bin/env bash
# Upload a ticket file; prints the ticket's id. The same ticket again has the same id.
. "$(dirname "$0")/common.sh"
[ $# -ge 1 ] && [ $# -le 2 ] || usage "$0 FILE [TAG]"

call "/tickets${2:+?tag=$2}" --request POST --header 'Content-Type: application/octet-stream' --upload-file "$1" | pick id
