#!/usr/bin/env bash
# Follow a job to its end. Its events go to standard error; its tickets, and its accuracies after the last step, to
# standard output. The exit status is 1 unless it succeeds.
. "$(dirname "$0")/common.sh"
[ $# -eq 1 ] || usage "$0 JOB"

last=0
state=$(call "/jobs/$1" | pick state)
# A stream that breaks is taken up again after the last event that was numbered.
while true; do
    while IFS= read -r line; do
        case $line in
            id:*) last=${line#id: } ;;
            event:* | data:*) printf '%s\n' "$line" >&2 ;;
        esac
    done < <(curl --silent --no-buffer --config <(credentials) --header "Last-Event-ID: $last" "$server/jobs/$1/events")
    state=$(call "/jobs/$1" | pick state)
    case $state in
        succeeded | failed | cancelled) break ;;
    esac
    sleep 1
done

call "/jobs/$1" | python3 -c '
import json, sys
job = json.load(sys.stdin)
for ticket in job["outputs"]["tickets"]:
    print(ticket)
for result in job["outputs"]["results"]:
    if job["kind"] == "train" and result["point"] == "last":
        print("accuracy {accuracy:.4f} ({correct} of {total})".format(**result))
if job["error"]:
    print(job["error"]["message"], file=sys.stderr)
'
[ "$state" = succeeded ]
