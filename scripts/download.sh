#!/usr/bin/env bash
# Download a ticket's file.
. "$(dirname "$0")/common.sh"
[ $# -eq 2 ] || usage "$0 TICKET FILE   e.g. 9f2c… mlp_2.ticket.safetensors"

call "/tickets/$1" >/dev/null
curl --silent --show-error --fail --config <(credentials) --output "$2" "$server/tickets/$1/file"
