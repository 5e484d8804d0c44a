#!/usr/bin/env bash
# Download a ticket's file in another format, converting it first where that was not done yet.
. "$(dirname "$0")/common.sh"
[ $# -eq 3 ] || usage "$0 TICKET FORMAT FILE   formats: safetensors torch_prune open_lth dense onnx huggingface compact compact_onnx"

trap 'rm -f "$3.part"' EXIT
while true; do
    status=$(curl --silent --show-error --config <(credentials) --output "$3.part" --write-out '%{http_code}' "$server/tickets/$1/file?format=$2")
    case $status in
        200) mv "$3.part" "$3" && exit ;;
        202) ;; # It takes longer than a request waits.
        *) cat "$3.part" >&2 && exit 1 ;;
    esac
done
