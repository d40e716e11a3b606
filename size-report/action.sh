#!/usr/bin/env bash
# The steps of the GitHub action in action.yml, which says what the variables mean.
#
#   action.sh locate    prints where the tool is kept, and a hash of what it depends on
#   action.sh install   installs it there, unless the cache had it, and puts it into the PATH of the steps that follow
#   action.sh check     builds the flares, checks them, and writes summary and comment
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

locate() {
    local hash
    hash=$(cd "$here/.." && cat Cargo.lock Cargo.toml size-report/Cargo.toml size-report/.cargo/config.toml \
        $(find size-report/src flare-build -name '*.rs' -o -name Cargo.toml | sort) | sha256sum | cut -c1-16)
    echo "folder=$RUNNER_TEMP_DIR/flaron-size" >>"$GITHUB_OUTPUT"
    echo "hash=$hash" >>"$GITHUB_OUTPUT"
}

install() {
    if [ ! -x "$FOLDER/bin/flaron-size" ]; then
        cargo install --locked --path "$here" --root "$FOLDER"
    fi
    if { [ -n "${OPT_BUDGET-}" ] || [ "${SLIM-}" = true ]; } && [ ! -x "$FOLDER/node_modules/.bin/wasm-opt" ]; then
        npm install --no-audit --no-fund --no-save --prefix "$FOLDER" binaryen@132
    fi
    echo "$FOLDER/bin" >>"$GITHUB_PATH"
}

check() {
    local tool=$FOLDER/bin/flaron-size table status=0 arguments=()
    if [ -n "${BUILD-}" ]; then
        rustup target add wasm32-unknown-unknown
        bash -c "$BUILD"
    fi
    if [ -x "$FOLDER/node_modules/.bin/wasm-opt" ]; then
        export WASM_OPT=$FOLDER/node_modules/.bin/wasm-opt
    fi
    # Patterns and several names are what it is for.
    # shellcheck disable=SC2206
    local files=($FILES)
    if [ ! -f "${files[0]-}" ]; then
        echo "::error::there is no $FILES in $PWD; set \`files\`, and \`build\` to what makes them"
        return 2
    fi
    # What is checked is what is deployed.
    [ "${SLIM-}" != true ] || "$tool" slim "${files[@]}" >&2
    [ -z "${BUDGET-}" ] || arguments+=(--budget "$BUDGET")
    [ -z "${OPT_BUDGET-}" ] || arguments+=(--opt-budget "$OPT_BUDGET")
    [ -z "${MAX_PAGES-}" ] || arguments+=(--max-pages "$MAX_PAGES")

    local first=
    if [ -n "${BASELINE-}" ] && [ ! -f "$BASELINE" ]; then
        # The sizes of today become what they are compared with: this run shows them, and what to commit.
        first=$BASELINE
        "$tool" check "${files[@]}" "${arguments[@]}" --baseline "$BASELINE" --bless
    fi
    [ -z "${BASELINE-}" ] || arguments+=(--baseline "$BASELINE")
    if [ ${#arguments[@]} = 0 ]; then
        echo "::error::nothing to check against; set \`budget\`, \`baseline\`, or both"
        return 2
    fi

    local said
    said=$(mktemp)
    table=$("$tool" check "${files[@]}" "${arguments[@]}" --markdown 2>"$said") || status=$?
    cat "$said" >&2
    # What could not be checked is no table.
    [ "$status" -lt 2 ] || return "$status"
    {
        echo '<!-- flaron-size -->'
        echo "$table"
        if grep -q '^error: ' "$said"; then
            echo
            sed -n 's/^error: /- ❌ /p' "$said"
        fi
        if [ -n "$first" ]; then
            echo
            echo "There is no \`$first\` yet. To compare later sizes with these, commit this file:"
            echo
            echo '```toml'
            cat "$first"
            echo '```'
        fi
    } >"$said.md"
    [ -z "$first" ] || echo "::warning::there is no $first yet; the job's summary shows what to commit"
    cat "$said.md" >>"$GITHUB_STEP_SUMMARY"
    if [ "${COMMENT-}" = true ]; then
        comment "$said.md" || echo "::warning::the comment could not be written; does the job have \`permissions: pull-requests: write\`? (Pull requests from forks never have.)"
    fi
    return "$status"
}

# One comment on the pull request, which is found again by its first line.
comment() {
    local pull api old
    pull=$(jq -r '.pull_request.number // empty' "$GITHUB_EVENT_PATH")
    [ -n "$pull" ] || return 0
    api=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues
    request() {
        curl --fail --silent --show-error -H "Authorization: Bearer $GITHUB_TOKEN" \
            -H "Accept: application/vnd.github+json" "$@"
    }
    local page=1 found
    while :; do
        found=$(request "$api/$pull/comments?per_page=100&page=$page") || return
        old=$(jq -r 'map(select(.body | startswith("<!-- flaron-size -->")))[0].id // empty' <<<"$found")
        [ -z "$old" ] && [ "$(jq length <<<"$found")" = 100 ] || break
        page=$((page + 1))
    done
    jq -n --rawfile body "$1" '{body: $body}' >"$1.json"
    if [ -n "$old" ]; then
        request -X PATCH --data "@$1.json" "$api/comments/$old" >/dev/null
    else
        request -X POST --data "@$1.json" "$api/$pull/comments" >/dev/null
    fi
}

"$1"
