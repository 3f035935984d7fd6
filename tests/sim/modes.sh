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
run --faults crash,nested,alloc --cycles 300
run --mode exhaustive --len 1
run --mode exhaustive --in-recovery --list together,put
run --mode options --cycles 2
run --mode rot --cycles 300

# The table of rare points: those that any run comes by are in it.
"$sim" --cycles 400 --reached "$work/REACHED.md" >"$work/out"
grep '^reached: ' "$work/out"
for point in buffer.torn_page_restored wal.segment_recycled recovery.epoch_fenced recovery.undone_change_skipped; do
  grep "^| $point .*crash [0-9]" "$work/REACHED.md" >/dev/null || { echo "not reached: $point"; exit 1; }
done

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
