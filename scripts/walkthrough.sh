#!/usr/bin/env bash
# The main job by hand: find a ticket, stretch it, train it; download it and upload it again. A few seconds on digits.
. "$(dirname "$0")/common.sh"
[ $# -eq 0 ] || usage "$0   (against ELASTICKET_SERVER, now $server)"
cd "$(dirname "$0")"

echo 'Find the ticket of mlp_2, five rounds of pruning:'
ticket=$(./watch.sh "$(./find.sh mlp_2 digits 5 10ep)" 2>/dev/null)
call "/tickets/$ticket" | python3 -c '
import json, sys
print("  {id}\n  {survivors} of {prunable} weights survive".format(**json.load(sys.stdin)))'

echo 'Stretch it to mlp_4; first, what would come of it:'
./dry_run.sh "$ticket" mlp_4 append | sed 's/^/  /'
stretched=$(./watch.sh "$(./transform.sh "$ticket" mlp_4 append)" 2>/dev/null)
echo "  $stretched"

echo 'Train the stretched ticket:'
echo "  $(./watch.sh "$(./train.sh "$stretched" digits 10ep)" 2>/dev/null)"

echo 'Download it and upload it again:'
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
./download.sh "$stretched" "$folder/mlp_4.ticket.safetensors"
again=$(./upload.sh "$folder/mlp_4.ticket.safetensors" walkthrough)
[ "$again" = "$stretched" ]
echo "  the same ticket, $(wc -c <"$folder/mlp_4.ticket.safetensors") bytes"

echo 'Take it to PyTorch and back:'
./export.sh "$stretched" torch_prune "$folder/mlp_4.prune.pth"
back=$(./watch.sh "$(./import.sh "$folder/mlp_4.prune.pth" 'dataset=digits&input=1,8,8')" 2>/dev/null)
[ "$back" = "$stretched" ]
echo "  the same ticket, from a state dict of torch.nn.utils.prune"
