#!/usr/bin/env bash
# What `make bench` runs: some ten minutes on two cores. Writes bench/report/peers.md, the table that
# bench/README.md explains, and peers.jsonl, one JSON object a run.
#
# To change what it runs: RECORDS, SECONDS_A_RUN, REPEAT, THREADS, ENGINES, WORKLOADS; BENCH_DIR names a
# directory on the disk to be measured. AETHER_BIN is where aether-peers lies.
set -euo pipefail
cd "$(dirname "$0")/.."

peers="${AETHER_BIN:-build/bench/bin}/aether-peers"
report=bench/report
if [ ! -x "$peers" ]; then
  echo "bench/run.sh: $peers is not there; run 'make bench', or set AETHER_BIN" >&2
  exit 1
fi
mkdir -p "$report"

# The order matters to nobody but the reader: loads, reads, writes, durable commits, larger than memory.
workloads=load-rand,get-uniform,visit-uniform,get-miss,scan-100,update-rand,insert-rand
workloads+=,dev-append-sync,sync-put,dev-randread,oom-get

status=0
"$peers" \
  --engines "${ENGINES:-aether,lmdb,rocksdb,rocksdb-bufferedwal}" \
  --workloads "${WORKLOADS:-$workloads}" \
  --records "${RECORDS:-2000000}" \
  --threads "${THREADS:-1}" \
  --repeat "${REPEAT:-3}" \
  --seconds "${SECONDS_A_RUN:-2}" \
  --dir "${BENCH_DIR:-$report}" \
  --json "$report/peers.jsonl" \
  --format table >"$report/peers.md" || status=$?

cat "$report/peers.md"
if [ "$status" -ne 0 ]; then
  echo "bench/run.sh: a run failed; see the end of $report/peers.md" >&2
fi
exit "$status"
