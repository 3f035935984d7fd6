# bench and tune: a mix on a disk of its own, leaving nothing behind; advice about an environment at rest and one at work.
. "$(dirname "$0")/cli_lib.bash"

run() { "$aether" --home "$home" "$@"; }
home=$work/env

small() { run bench --records 5000 --seconds 1 --threads 2 "$@"; }
expect 0 small --json
printf '%s\n' "$out" | json_holds 'len(rows) == 1 and rows[0]["records"] == 5000 and rows[0]["durability"] == "group"'
printf '%s\n' "$out" | json_holds 'all(rows[0][g]["count"] > 0 and rows[0][g]["p50_us"] <= rows[0][g]["p99_us"] <= rows[0][g]["max_us"] * 1.02 for g in ("read", "write", "device_write", "device_read"))'
printf '%s\n' "$out" | json_holds 'rows[0]["ratio"]["write_to_device"] > 0 and rows[0]["engine"]["log_flushes"] > 0'
[ ! -e "$home" ] || fail "bench has left $(ls -R "$home")"

mkdir place
expect 0 "$aether" bench --dir place --records 5000 --seconds 1 --read-percent 100 --distribution zipf --durability none
has "bench plain" "$out" "distribution zipf"
has "bench plain" "$out" "read.per_second "
case $out in *[!_]write.per_second*) fail "a bench that only reads has written" ;; esac
same "bench leaves nothing" "$(ls place)" ""
expect 0 small --read-percent 0 --format table
has "bench table" "$out" "write.p99_us"
expect 3 "$aether" bench --dir nowhere/place --records 10 --seconds 1
expect 2 run bench --read-percent 101
has "no more than 100" "$err" "from 0 to 100"
expect 2 "$aether" bench
"$aether" --home "$home" bench --records 5000 --seconds 600 >/dev/null 2>err & pid=$!
until ls "$home"/bench-*/env/CONTROL >/dev/null 2>&1; do kill -0 $pid || break; done
kill -TERM $pid
wait $pid
same "bench ended by a signal" $? 130
[ ! -e "$home" ] || fail "bench ended by a signal has left $(ls -R "$home")"

expect 3 run tune
expect 0 run put a 1
expect 0 run tune
has "tune at rest" "$err" "no process has"
has "tune at rest" "$out" "nothing to change"
expect 0 run tune --json --quiet
printf '%s\n' "$out" | json_holds 'rows[0]["advice"] == [] and rows[0]["seconds"] == 0 and rows[0]["pool"]["data_bytes"] > 0'

# Another process at work whose pool is far too small, or at least whose commits wait alone.
mkdir busy
"$aether" bench --dir busy --pool 1MiB --records 60000 --seconds 120 --threads 1 --durability sync >/dev/null 2>&1 & pid=$!
until live=$(ls -d busy/bench-*/env/live.sock 2>/dev/null); do kill -0 $pid || break; done
home=$(dirname "$live")
for try in 1 2 3 4 5 6 7 8 9 10; do  # It may still be loading.
  expect 0 run tune --seconds 1 --json
  case $out in *'"option":"pool_bytes"'*) break ;; esac
done
printf '%s\n' "$out" | json_holds 'rows[0]["seconds"] >= 1 and rows[0]["pool"]["page_reads_per_second"] > 20'
printf '%s\n' "$out" | json_holds '"pool_bytes" in [a["option"] for a in rows[0]["advice"]]'
expect 0 run tune --seconds 1 --format table
has "tune table" "$out" "raise from 1.0 MiB"
kill -TERM $pid
wait $pid

finish
