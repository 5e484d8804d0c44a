#!/usr/bin/env bash
# Upload a file in another format; prints the id of the job that makes tickets of it.
. "$(dirname "$0")/common.sh"
[ $# -ge 1 ] && [ $# -le 2 ] || usage "$0 FILE [QUERY]   e.g. resnet.pth 'dataset=cifar10&rewind_step=1000'"

call "/tickets${2:+?$2}" --form "file=@$1" | pick id
