#!/usr/bin/env bash
# What each setting of the README saves: builds the nine example flares with all of them, then
# without each in turn, and prints the sums as a Markdown table.
#
# wasm-opt is used where `cargo size setup` has put it, or where $WASM_OPT says.
set -euo pipefail
cd "$(dirname "$0")/.."

# Those that the README compares with other SDKs.
flares="hello echo spark-counter plasma-counter secret-jwt websocket-echo beam-fetch beam-json edge-ops"
target_dir=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/settings
wasm_opt=${WASM_OPT:-size-report/node_modules/.bin/wasm-opt}
features="--enable-bulk-memory-opt --enable-sign-ext --enable-mutable-globals
    --enable-nontrapping-float-to-int --enable-multivalue --enable-reference-types"
stack=-Clink-arg=-zstack-size=4096
compress=-Clink-arg=--compress-relocations
copies=-Cllvm-args=-max-store-memcpy=1
separator=$'\x1f'
exports=-Clink-arg=--wrap=__heap_base$separator-Clink-arg=--wrap=__data_end$separator-Clink-arg=--allow-undefined
all=$stack$separator$compress$separator$copies$separator$exports

echo "building nine flares with each of eleven settings, which takes some minutes" >&2

# sums FLAGS [CARGO ARGUMENTS...]: the bytes of all flares, as built and after wasm-opt.
sums() {
    local flags=$1 raw=0 opt=0 flare file
    shift
    for flare in $flares; do
        CARGO_ENCODED_RUSTFLAGS=$flags cargo build --quiet --release \
            --target wasm32-unknown-unknown --target-dir "$target_dir" -p "$flare" "$@"
        file=$target_dir/wasm32-unknown-unknown/release/${flare//-/_}.wasm
        raw=$((raw + $(stat -c %s "$file")))
        if [ -x "$wasm_opt" ]; then
            # shellcheck disable=SC2086
            "$wasm_opt" $features -Oz --converge '--remove-exports=__*' "$file" -o "$target_dir/opt.wasm"
            opt=$((opt + $(stat -c %s "$target_dir/opt.wasm")))
        fi
    done
    echo "$raw $opt"
}

table() {
    local base_raw base_opt name raw opt
    echo "| setting | bytes of the nine flares, as built / after \`wasm-opt -Oz\` |"
    echo "|---|---|"
    read -r base_raw base_opt < <(sums "$all")
    echo "| all of them | $base_raw / $base_opt |"
    row() {
        name=$1
        shift
        echo "$name" >&2
        read -r raw opt < <(sums "$@")
        printf '| %s | %+d / %+d |\n' "$name" $((raw - base_raw)) $((opt - base_opt))
    }
    row '`opt-level = "s"` instead of `"z"`' "$all" --config 'profile.release.opt-level="s"'
    row '`opt-level = 3` instead of `"z"`' "$all" --config 'profile.release.opt-level=3'
    row '`lto = "thin"` instead of `"fat"`' "$all" --config 'profile.release.lto="thin"'
    row 'no `lto`' "$all" --config 'profile.release.lto=false'
    row 'no `codegen-units = 1`' "$all" --config 'profile.release.codegen-units=16'
    FLARON_KEEP_STACK=1 row '`-zstack-size=4096`, for flares that use a stack' "$all"
    FLARON_KEEP_STACK=1 row 'no `-zstack-size` (the stack is 1 MiB then)' "${all#"$stack$separator"}"
    row 'no `-max-store-memcpy=1`' "${all/"$copies$separator"/}"
    row 'no `--wrap=__heap_base`, `--wrap=__data_end`' "${all%"$separator$exports"}"
    row 'no `--compress-relocations`' "${all/"$compress$separator"/}"
    row 'no `--compress-relocations`, no `strip`' "${all/"$compress$separator"/}" --config 'profile.release.strip=false'
}

table
