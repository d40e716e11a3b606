#!/usr/bin/env bash
# What the requests of the example flares cost, as Markdown: `bash examples/bench.sh`. With --write it
# goes into examples/README.md.
#
# The requests are in each flare's `flare.requests.jsonl`. Instructions and memory are exact under one
# compiler; times are not in the table.
set -euo pipefail
cd "$(dirname "$0")/.."

secrets=$(mktemp)
trap 'rm -f "$secrets"' EXIT
cat >"$secrets" <<'SECRETS'
basic-auth = "admin:hunter2"
jwt-key = "correct horse battery staple, long enough for SHA-256"
SECRETS

cargo build --quiet -p flaron-edge
table() {
    echo "| flare | request | status | instructions | memory |"
    echo "|---|---|--:|--:|--:|"
    local file flare
    for file in examples/*/flare.requests.jsonl; do
        flare=$(basename "$(dirname "$file")")
        "${CARGO_TARGET_DIR:-target}/debug/flaron-edge" bench "examples/$flare" --rounds 1 --secrets "$secrets" |
            sed -n '3,$ s/^| \(.*\) | *[^|]*|$/\1/p' |
            sed "s/^/| [$flare]($flare) | /; s/  */ /g; s/\$/ |/"
    done
    echo
    echo "With $(rustc --version)."
}

if [ "${1:-}" != --write ]; then
    table
    exit
fi
made=$(table)
readme=examples/README.md
{
    sed '/<!-- bench: written by/q' "$readme"
    printf '\n%s\n\n' "$made"
    sed -n '/<!-- bench: end -->/,$p' "$readme"
} >"$readme.new"
mv "$readme.new" "$readme"
