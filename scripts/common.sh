# Sourced by the other scripts: where the API is, how it is called, and how a field is picked out of an answer.
set -euo pipefail

server=${ELASTICKET_SERVER:-http://127.0.0.1:8000}

# An API key, where the installation asks for one, goes by a file of curl's: arguments are seen by every process.
credentials() {
    [ -z "${ELASTICKET_API_KEY:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$ELASTICKET_API_KEY"
}

# usage TEXT: print it and stop.
usage() {
    printf 'usage: %s\n' "$1" >&2
    exit 2
}

# call PATH [CURL OPTION…]: print the answer's body; where it is a problem, print that and stop.
call() {
    local path=$1 body
    shift
    if ! body=$(curl --silent --show-error --fail-with-body --config <(credentials) "$@" "$server$path"); then
        printf '%s\n' "$body" >&2
        exit 1
    fi
    printf '%s\n' "$body"
}

# post PATH JSON: the same, with a JSON body.
post() {
    call "$1" --header 'Content-Type: application/json' --data "$2"
}

# pick KEY…: print a field of the JSON on standard input; a list is printed one item a line.
pick() {
    python3 -c '
import json, sys
text = sys.stdin.read()
if not text:
    sys.exit(1)  # the call has said why
value = json.loads(text)
for key in sys.argv[1:]:
    value = value[key]
print(*value if isinstance(value, list) else [value], sep="\n")
' "$@"
}
