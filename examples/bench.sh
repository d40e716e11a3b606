#!/usr/bin/env bash
# What the requests of the example flares cost, as Markdown: `bash examples/bench.sh`. With --write it
# goes into examples/README.md; with --check it fails if that has something else.
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
        "${CARGO_TARGET_DIR:-target}/debug/flaron-edge" bench "examples/$flare" --markdown --rounds 1 --secrets "$secrets" |
            sed -n '3,$ s/^| \(.*\) | *[^|]*|$/\1/p' |
            sed "s/^/| [$flare]($flare) | /; s/  */ /g; s/\$/ |/"
    done
    echo
    echo "With $(rustc --version)."
}

written() {
    sed '/<!-- bench: written by/q' "$readme"
    printf '\n%s\n\n' "$made"
    sed -n '/<!-- bench: end -->/,$p' "$readme"
}

readme=examples/README.md
made=$(table)
case "${1:-}" in
    --write)
        written >"$readme.new"
        mv "$readme.new" "$readme"
        ;;
    --check)
        if ! written | diff -u "$readme" -; then
            echo "$readme has other costs: bash examples/bench.sh --write" >&2
            exit 1
        fi
        ;;
    "") echo "$made" ;;
    *) echo "there is no $1; there are --write and --check" >&2; exit 2 ;;
esac
