# aether-peers: right answers from every adapter of this build, and what a run prints.
. "$(dirname "$0")/cli_lib.bash"
peers="$AETHER_BIN/aether-peers"
[ -x "$peers" ] || exit 77

expect 0 "$peers" --check --dir "$work"
has "the check" "$out" "aether: right answers"
case $out in *WRONG*) fail "an adapter is wrong: $out" ;; esac

# Not about the disk: in memory where there is room, so that a busy disk costs no minutes.
dir=$work
if [ "$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1)" -gt 1000 ] 2>/dev/null; then
  dir=$(mktemp -d -p /dev/shm)
  trap 'rm -rf "$work" "$dir"' EXIT
fi

run() { # run ARGUMENTS...: a short one of Aether alone
  expect 0 "$peers" --engines aether --seconds 0.1 --repeat 1 --updates 500 --pool-mib 64 --dir "$dir" "$@"
}

# Kinds of workloads, once; no figure may be missing, none may have failed.
run --records 1000 --format json \
  --workloads load-seq,batch-get,scan-back,ycsb-d,ycsb-f,txn-4,txn-read-mixed,sync-put,reopen,open,close,space,oom-batch-get
figures="'ops_per_s p50_us p99_us p999_us max_us bytes_written disk_bytes peak_rss_mb cpu_seconds config'.split()"
printf '%s\n' "$out" | json_holds "all(name in row for row in rows for name in $figures)"
printf '%s\n' "$out" | json_holds "all('error' not in row and 'left_out' not in row for row in rows)"
printf '%s\n' "$out" | json_holds "sorted({row['threads'] for row in rows if row['workload'] == 'sync-put'}) == [1, 8, 32]"
printf '%s\n' "$out" | json_holds "any(row['space_amplification'] > 0 for row in rows if row['workload'] == 'space')"
printf '%s\n' "$out" | json_holds "{row['updates'] for row in rows if row['workload'] == 'reopen'} == {500}"

# Lists of sizes; a report of two files is one of their runs; the goals are all there.
run --workloads get-uniform --threads 1 --records 1000,3000 --value-bytes 8,4096 --format json --json "$work/one"
same "sizes" "$(wc -l <"$work/one")" 4
run --workloads ycsb-f --records 1000 --json "$work/two"
expect 0 "$peers" --from "$work/one,$work/two" --goals "$SOURCE_DIR/bench/peers/goals.tsv"
has "the report" "$out" "## 3000 records of 16 + 4096 bytes"
has "the report" "$out" "| ycsb-f | 2 |"
has "the report" "$out" "## Growth"
same "goals" "$(printf '%s\n' "$out" | grep -c ' at least \| at most ')" \
  "$(grep -vc '^#' "$SOURCE_DIR/bench/peers/goals.tsv")"

if command -v gnuplot >/dev/null && command -v python3 >/dev/null; then
  expect 0 "$SOURCE_DIR/bench/plot" "$work/one" "$work"
  has "the plots" "$out" "![growth-get-uniform](growth-get-uniform.svg)"
  has "a plot" "$(cat "$work/values-get-uniform.svg")" "</svg>"
fi

expect 1 "$peers" --workloads no-such-thing
has "an unknown workload" "$err" "no workload 'no-such-thing'"
expect 1 "$peers" --from "$work/none"
has "a missing file" "$err" "cannot read"
finish
