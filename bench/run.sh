#!/usr/bin/env bash
# What `make bench` runs: some ten minutes on two cores; with `full`, as `make bench-full` does, everything: hours.
# Writes bench/report/: peers.md, which bench/README.md explains, with the goals of bench/peers/goals.tsv; peers.jsonl, one
# JSON object a run; plots (SVG).
#
# To change what it runs: RECORDS, SECONDS_A_RUN, REPEAT, ENGINES; BENCH_DIR names a directory on the disk to be
# measured. AETHER_BIN is where aether-peers lies.
set -euo pipefail
cd "$(dirname "$0")/.."

peers="${AETHER_BIN:-build/bench/bin}/aether-peers"
report=bench/report
if [ ! -x "$peers" ]; then
  echo "bench/run.sh: $peers is not there; run 'make bench', or set AETHER_BIN" >&2
  exit 1
fi
mkdir -p "$report"
rm -f "$report"/*.svg "$report"/*.jsonl

status=0
engines=${ENGINES:-}  # None: all that there are.
parts=()
# part NAME ARGUMENTS...: one call of aether-peers. What fails is in the report, and does not end the rest.
part() {
  local file="$report/$1.jsonl"
  shift
  "$peers" --dir "${BENCH_DIR:-$report}" --repeat "${REPEAT:-3}" ${engines:+--engines "$engines"} \
    --format json --json "$file" "$@" >/dev/null || status=1
  if [ -s "$file" ]; then parts+=("$file"); fi
}

# A list of engines, of those that this build has.
built() {
  "$peers" --list | awk -v wanted=",$1," '/^Workloads/ { exit } index(wanted, "," $1 ",") { print $1 }' | paste -sd,
}

selection() {
  local small=(--records "${RECORDS:-200000}" --seconds "${SECONDS_A_RUN:-0.5}" --pool-mib 512)
  engines=${engines:-$(built aether,lmdb,rocksdb,rocksdb-bufferedwal,wiredtiger,leveldb,bdb,sqlite)}
  part reads "${small[@]}" --threads 2 --workloads get-uniform,batch-get,get-miss,scan-100,update-rand
  part mixes "${small[@]}" --threads 2 --workloads ycsb-a,ycsb-e,txn-4
  part durable "${small[@]}" --threads 1,8 --workloads dev-append-sync,sync-put
  part disk "${small[@]}" --threads 2 --workloads dev-randread,dev-randread-32,oom-get,oom-batch-get
  part acts "${small[@]}" --workloads open,space
}

full() {
  local seconds=(--seconds "${SECONDS_A_RUN:-5}")
  local all
  all=$("$peers" --list | awk '/^Workloads/ { on = 1; next } on { print $1 }' |
    grep -vE '^(oom-|dev-randread|reopen$|space$)' | paste -sd,)
  part memory "${seconds[@]}" --records "${RECORDS:-2000000}" --workloads "$all"
  part disk "${seconds[@]}" --records 10000000 \
    --workloads dev-randread,dev-randread-32,oom-get,oom-batch-get,oom-update
  part reopen --records 1000000 --workloads reopen
  part space --records 3000000 --workloads space
  # How cost grows: 10^5 to 10^7 with all engines, 10^8 with those that take it in hours. The loads of 10^8 get 4 GiB.
  part growth "${seconds[@]}" --records 100000,1000000,10000000 --workloads load-rand,get-uniform,update-rand \
    --threads 1 --limit 7200
  local few
  few=${engines:-$(built aether,lmdb,rocksdb,wiredtiger)}
  engines=$few part load8 --records 100000000 --repeat 1 --pool-mib 4096 --limit 28800 --workloads load-rand
  engines=$few part growth8 "${seconds[@]}" --records 100000000 --threads 1 --pool-mib 14000 --limit 28800 \
    --workloads get-uniform,update-rand,open
  # Some 256 MiB of values of each size; the largest ones some 1 GiB.
  local size records
  for size in 8 100 1000 10000 100000 1048576; do
    records=$((268435456 / (size + 16)))
    if [ "$records" -gt 2000000 ]; then records=2000000; fi
    if [ "$records" -lt 1000 ]; then records=1000; fi
    part "values-$size" "${seconds[@]}" --records "$records" --value-bytes "$size" --threads 1 \
      --workloads load-rand,get-uniform,update-rand,scan-100
  done
}

case "${1:-selection}" in
selection) selection ;;
full) full ;;
*) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac

if [ ${#parts[@]} -eq 0 ]; then
  echo "bench/run.sh: nothing was measured" >&2
  exit 1
fi
from=$(IFS=,; echo "${parts[*]}")
"$peers" --from "$from" --goals bench/peers/goals.tsv >"$report/peers.md" || status=1
cat "${parts[@]}" >"$report/peers.all"
rm -f "${parts[@]}"
mv "$report/peers.all" "$report/peers.jsonl"
if command -v gnuplot >/dev/null && command -v python3 >/dev/null; then
  bench/plot "$report/peers.jsonl" "$report" >>"$report/peers.md"
else
  echo "bench/run.sh: no plots, they need gnuplot-nox and python3" >&2
fi

cat "$report/peers.md"
if [ "$status" -ne 0 ]; then
  echo "bench/run.sh: a run failed; see 'Left out, and failed' in $report/peers.md" >&2
fi
exit "$status"
