#!/usr/bin/env bash
# Each mode of aether-sim once, short; what it answers to a wrong call; and that it can fail: a disk whose syncs lie is
# found out, made smaller, and the command that is printed finds it again.
set -euo pipefail
sim=$AETHER_BIN/aether-sim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
  echo "== aether-sim $*"
  "$sim" "$@" | grep -v '^  '
}
run --cycles 600
run --mode exhaustive --len 1
run --mode options --cycles 2
run --mode rot --cycles 300

status=0
"$sim" --no-such-option 2>/dev/null || status=$?
[ "$status" = 2 ] || { echo "a wrong call answers $status"; exit 1; }

status=0
"$sim" --faults crash,lost-sync --cycles 20000 --shrink 5 >"$work/breach" || status=$?
[ "$status" = 1 ] || { echo "a disk that lies about its syncs is not found out: $status"; exit 1; }
grep -h '^BREACH' "$work/breach"
grep '^replay: ' "$work/breach" | tail -n 1 | cut -d' ' -f3- >"$work/command"
read -ra again <"$work/command"
status=0
"$sim" "${again[@]}" >"$work/again" || status=$?
[ "$status" = 1 ] || { echo "the replay shows nothing: aether-sim ${again[*]}"; exit 1; }
