#!/usr/bin/env bash
# The same seed gives the same run, byte for byte; another seed another one.
set -euo pipefail
trace() { "$AETHER_BIN/aether-sim" --cycles 150 --trace-hash --seed "$1" | grep '^trace-hash '; }
first=$(trace 11)
again=$(trace 11)
other=$(trace 12)
echo "seed 11: $first, $again; seed 12: $other"
[ "$first" = "$again" ]
[ "$first" != "$other" ]
