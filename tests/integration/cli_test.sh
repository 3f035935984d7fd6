# Every verb of the command, its three formats and its exit codes (docs/CLI.md).
. "$(dirname "$0")/cli_lib.bash"

home=$work/env
run() { "$aether" --home "$home" "$@"; }

# --- help, usage ------------------------------------------------------------------------------------
expect 2 "$aether"
has "no arguments" "$err" "Usage: aether --home DIR VERB"
expect 0 "$aether" --version
has version "$out" "aether 0."
expect 0 "$aether" --help
has help "$out" "Examples:"
for verb in load dump get put del scan stat top deadlock verify checkpoint recover backup restore archive printlog inspect policy bench tune; do
  expect 0 "$aether" "$verb" --help
  has "$verb --help" "$out" "Usage: aether --home DIR $verb"
done
expect 2 "$aether" get k
has "no home" "$err" AETHER_HOME
expect 2 run gett k
has "verb mistyped" "$err" "did you mean get?"
expect 2 run get k --formt json
has "option mistyped" "$err" "did you mean --format?"

# --- put, get, del, scan ------------------------------------------------------------------------------
expect 3 run get a
has "no environment" "$err" "$home"
expect 0 run put a 1
expect 0 run put b 'two words'
expect 0 run put 'c/é' "$(printf 'line\ttab')"
expect 0 run put --hex 00ff deadbeef
printf 'from\0stdin' | run put piped - || fail "put from standard input"
printf 'from a file' >value
expect 0 run put filed --value-file value
expect 2 run put k v --value-file value
expect 2 run put k

expect 0 run get a
same get "$out" 1
expect 0 run get 'c/é'
same "get escapes" "$out" 'line\x09tab'
expect 0 run get piped
same "get escapes zero" "$out" 'from\x00stdin'
run get piped --raw | cmp -s - <(printf 'from\0stdin') || fail "get --raw"
expect 0 run get --hex 00ff
same "get --hex" "$out" deadbeef
expect 0 run get a --json
same "get --json" "$out" '{"key":"a","value":"1"}'
expect 0 run --format table get a
has "get table" "$out" "key  value"
expect 3 run get nope
has "no key" "$err" 'no key "nope" in store "main"'
expect 3 run get a --store elsewhere
has "no store" "$err" 'there are: main'
AETHER_HOME=$home expect 0 "$aether" get a

# What expires is not there from then on.
expect 0 run put brief 1 --expires @1000
expect 3 run get brief
has "expired" "$err" 'no key "brief"'
expect 0 run put brief 2 --ttl 100000
expect 0 run get brief
same "not yet" "$out" 2
expect 0 run put moment 3 --expires '2100-01-01 00:00:00'
expect 0 run get moment --expires
same "get --expires" "$out" '2100-01-01 00:00:00.000000000'
expect 0 run get a --expires
same "get --expires, never" "$out" never
expect 0 run get moment --expires --json
same "get --expires --json" "$out" '{"key":"moment","expires_at_ms":4102444800000}'
expect 2 run put a 1 --ttl 1 --expires @5
expect 2 run put a 1 --expires tomorrow
expect 0 run dump --type jsonl --output expiring.jsonl
has dump "$(cat expiring.jsonl)" '{"key":"moment","value":"3","expires_at_ms":4102444800000}'
expect 0 run load --store again --input expiring.jsonl
expect 0 run get moment --store again --expires
same "dumped and loaded" "$out" '2100-01-01 00:00:00.000000000'
expect 0 run dump --type tsv --store again --output again.tsv
has "dump without" "$err" '2 rows will expire'
expect 0 run del moment
expect 0 run del brief

expect 9 run put a 9 --no-overwrite
expect 0 run get a
same "not overwritten" "$out" 1
expect 0 run put a 2
expect 0 run get a
same overwritten "$out" 2

expect 0 run scan
same "scan order" "$(echo "$out" | cut -f1 | tr '\n' ' ')" '\x00\xff a b c/é filed piped '
expect 0 run scan --json
printf '%s\n' "$out" | json_holds 'len(rows) == 6 and rows[0] == {"key_hex": "00ff", "value_hex": "deadbeef"} and rows[3]["key"] == "c/é"'
expect 0 run scan --format table
has "scan table" "$out" "two words"
expect 0 run scan --from a --to c --keys-only
same "scan range" "$out" "$(printf 'a\nb')"
expect 0 run scan --from a --to c --keys-only --reverse
same "scan reverse" "$out" "$(printf 'b\na')"
expect 0 run scan --to filed --reverse --limit 1 --keys-only
same "the end is left out" "$out" 'c/é'
expect 0 run scan --prefix p
has "scan prefix" "$out" piped
expect 0 run scan --prefix zzz
same "scan nothing" "$out" ''
expect 0 run scan --hex --prefix 00 --keys-only
same "scan hex" "$out" 00ff
expect 0 run scan --count
same count "$out" 6
expect 0 run scan --count --json
same "count json" "$out" '{"count":6}'
expect 0 run scan --limit 0
same "limit 0" "$out" ''

expect 0 run del b
expect 3 run del b
expect 0 run del a --json
same "del json" "$out" '{"key":"a","removed":true}'
expect 3 run get a

# --- load and dump in all types -------------------------------------------------------------------------
seq 1 5000 | awk '{printf "key%05d\tvalue %d\n", $1, $1}' >rows.tsv
expect 0 run load --store t rows.tsv --json
printf '%s\n' "$out" | json_holds 'rows[0]["rows"] == 5000 and rows[0]["transactions"] == 5'
for type in db_dump jsonl tsv; do
  expect 0 run dump --store t --type $type --output "out.$type"
  expect 0 "$aether" --home "$work/from_$type" load "out.$type" --quiet
  same "load --quiet says nothing" "$out$err" ''
  "$aether" --home "$work/from_$type" dump --type tsv | cmp -s - rows.tsv || fail "$type round trip"
done
expect 0 run dump --store t --print --output out.print
expect 0 "$aether" --home "$work/from_print" load <out.print
"$aether" --home "$work/from_print" dump --type tsv | cmp -s - rows.tsv || fail "print round trip"
expect 0 run dump --all --output out.all
expect 0 "$aether" --home "$work/from_all" load out.all
"$aether" --home "$work/from_all" dump --all | cmp -s - out.all || fail "--all round trip"
expect 0 "$aether" --home "$work/from_all" get key00007 --store t
same "store of its name" "$out" 'value 7'
expect 0 run load --store keep --no-overwrite rows.tsv
expect 0 run load --store keep --no-overwrite rows.tsv --json
printf '%s\n' "$out" | json_holds 'rows[0]["rows"] == 0 and rows[0]["rows_kept"] == 5000'
printf '{"id":1,"name":"x"}\n{"id":2,"name":"y"}\n' >people.jsonl
expect 0 run load --store people --key-field id people.jsonl
expect 0 run get 2 --store people
same "key field" "$out" '{"id":2,"name":"y"}'
printf 'de\tBerlin\t3\n' | run load --store cols --key-columns 1,2 --key-separator : --quiet
expect 0 run get de:Berlin --store cols
same "key columns" "$out" 3
for durability in sync group none; do
  expect 0 run load --store "d_$durability" --durability $durability rows.tsv
  expect 0 run scan --store "d_$durability" --count
  same "durability $durability" "$out" 5000
done
expect 0 run load --store progress --progress always rows.tsv
has progress "$err" "5,000 rows"
expect 0 run load --store progress rows.tsv
same "no progress without a terminal" "$err" ''

for index in btree skiplist rax; do
  expect 0 run load --store "i_$index" --index $index rows.tsv
  expect 0 run put --store "i_$index" zzz last
  expect 0 run scan --store "i_$index" --count
  same "index $index" "$out" 5001
  expect 0 run stat --json
  printf '%s\n' "$out" | json_holds "any(s['name'] == 'i_$index' and s['index'] == '$index' for s in rows[0]['stores'])"
done
expect 6 run load --store small --index rax --memory-max 64K rows.tsv
has "a store in memory that is full" "$err" "memory_bytes_max"
expect 2 run put --index hash a b
# --- looking after ----------------------------------------------------------------------------------------
expect 0 run stat
has stat "$out" "page_bytes 4096"
has "stat stores" "$out" "store.main "
expect 0 run stat --json
printf '%s\n' "$out" | json_holds 'rows[0]["page_bytes"] == 4096 and any(s["name"] == "t" for s in rows[0]["stores"])'
expect 0 run stat --format table
has "stat table" "$out" "leaf pages"
expect 0 run deadlock
has "deadlock of a closed one" "$out" "open false"
has "deadlock of a closed one" "$err" "no process"
expect 0 run deadlock --json --quiet
printf '%s\n' "$out" | json_holds 'rows[0]["open"] is False and rows[0]["holders"] == []'
same "deadlock --quiet" "$err" ''
expect 3 "$aether" --home "$work/nowhere" deadlock
expect 0 run verify
has verify "$out" "ok true"
expect 0 run verify --json
printf '%s\n' "$out" | json_holds 'rows[0]["ok"] is True and rows[0]["problems"] == [] and rows[0]["pages_checked"] > 0'
expect 0 run verify --format table
expect 0 run checkpoint
has checkpoint "$out" checkpoint_position
expect 0 run recover --dry-run
has "dry run" "$out" "recovery_needed false"
expect 0 run recover --json
printf '%s\n' "$out" | json_holds 'rows[0]["ran"] is False'
expect 0 run printlog --limit 5
expect 0 run printlog --format table --limit 5
expect 0 run printlog --json
printf '%s\n' "$out" | json_holds 'all({"position", "epoch", "stream", "lsn", "txn", "type", "detail", "pages"} <= set(r) for r in rows)'
expect 0 run inspect 0
has inspect "$out" "kind "
expect 0 run inspect 1 --json
printf '%s\n' "$out" | json_holds 'rows[0]["page_id"] == 1 and rows[0]["checksum_ok"] is True'
expect 0 run inspect 1 --format table
expect 2 run inspect 99999999
has "inspect beyond the end" "$err" 99999999

# --- ranges of keys ---------------------------------------------------------------------------------------
for kind in btree skiplist rax lsm; do
  seq 100 999 | awk '{print $1 "\tv"}' | run load - --type tsv --store "r-$kind" --index "$kind" -q || fail "load r-$kind"
  expect 0 run del --store "r-$kind" --prefix 5 --json
  same "rows of a prefix, $kind" "$out" '{"rows_removed":100}'
  expect 0 run del --store "r-$kind" --from 30 --to 415
  same "rows of a range, $kind" "$out" "rows_removed 115"
  expect 0 run scan --store "r-$kind" --count
  same "rows that stay, $kind" "$out" 685
done
expect 2 run del
has "del what" "$err" --prefix
expect 2 run del k --prefix k

# --- stores of kind lsm: their options, levels, runs and policy ---------------------------------------------
expect 2 run load --store runs --compression zstd /dev/null
has "an option of lsm" "$err" "--index lsm"
expect 2 run load --store runs --index lsm --filter trie /dev/null
has "a filter" "$err" surf
expect 2 run put k v --store runs --index lsm --block 1KiB
has "out of its bounds" "$err" block_bytes
seq 1 9000 | awk '{printf "key%07d\t%0100d\n", $1 * 7919 % 9001, $1}' >runs.tsv
expect 0 run load runs.tsv --store runs --index lsm --nursery 64KiB --nursery-index rax --block 4KiB \
  --merge-policy hanoi --runs-max 4 --compression zstd --zstd-level=-1 --dictionary 4KiB --filter surf
expect 0 run inspect --store runs --json --count
printf '%s\n' "$out" | json_holds '
(lambda r: r["index"] == "lsm" and r["options"]["policy"] == "hanoi" and r["options"]["runs_max"] == 4
 and r["options"]["nursery"] == "rax" and r["options"]["compression"] == "zstd"
 and r["options"]["zstd_level"] == "-1" and r["options"]["filter"] == "surf"
 and r["live"]["rows"] == 9000 and r["live"]["bytes"] == 9000 * 110
 and r["write"]["user_bytes"] == 9000 * 110 and r["write"]["log_bytes"] > 9000 * 110
 and r["write"]["flush_bytes"] > 0
 and abs(r["write"]["amplification"] * r["write"]["user_bytes"]
         - r["write"]["log_bytes"] - r["write"]["flush_bytes"] - r["write"]["merge_bytes"]) < 9000
 and sum(run["entries"] for s in r["sorted_runs"] for run in s["runs"]) == 9000
 and all(run["filter_bytes"] > 0 and run["smallest_key"] < run["largest_key"]
         and run["oldest_generation"] <= run["newest_generation"] and run["data_bytes"] < run["bytes"]
         for s in r["sorted_runs"] for run in s["runs"]))(rows[0])'
expect 0 run inspect --store runs
has "runs, plain" "$out" " dictionary_bytes "
expect 0 run inspect --store runs --format table
has "runs, table" "$out" dict.
expect 0 run inspect --store main --json --count
printf '%s\n' "$out" | json_holds 'rows[0]["index"] == "btree" and rows[0]["live"]["rows"] > 0'
expect 0 run policy leveled --store runs --size-ratio 5
has policy "$out" "policy leveled"
expect 2 run policy leveled --store runs --size-ratio 65
has "a ratio" "$err" size_ratio
expect 2 run policy leveled --store main
has "another kind" "$err" "not of kind lsm"
expect 3 run policy leveled --store nowhere
expect 0 run stat --json
printf '%s\n' "$out" | json_holds 'any(s["name"] == "runs" and s["policy"] == "leveled" and s["write_amplification"] > 2
  and s["space_amplification_max"] > 0 for s in rows[0]["stores"])'
expect 0 run stat --format table
has "amplifications" "$out" "amplification: write "
expect 0 run top --store runs # Nobody has it open: once, as it lies.
has "a picture" "$out" "level 0"
expect 0 run top --json
printf '%s\n' "$out" | json_holds 'len(rows) == 1 and any(s["name"] == "runs" for s in rows[0]["stores"])'
expect 3 run top --store nowhere
expect 3 run inspect --store nowhere
expect 2 run inspect
expect 2 run inspect 3 --store runs

# --- outside ------------------------------------------------------------------------------------------------
run scan --store t | head -1 >/dev/null
same "a reader that goes is no error to see" "${PIPESTATUS[0]}" 141
if [ -w /dev/full ]; then
  "$aether" --home "$home" scan --store t >/dev/full 2>err
  same "output that cannot be written" "$?" 6
fi

# Loads that wait for more input: a fifo that this script holds open feeds them.
start_load() { # start_load HOME OPTION...: sets `loader`, and opens descriptor 9 to feed it
  rm -f feed
  mkfifo feed
  "$aether" --home "$@" --type tsv - <feed >feed_out 2>feed_err &
  loader=$!
  exec 9>feed
}
await_busy() { # await_busy HOME: until the loader has locked it; by looking, since a try might be in its way
  for _ in $(seq 1500); do
    readlink /proc/"$loader"/fd/* 2>/dev/null | grep -q "$1/data\$" && return
    sleep 0.02
  done
  fail "$1 was never busy"
}

start_load "$home" load --store held
echo 'k	v' >&9
await_busy "$home"
expect 4 run get x
has "busy names the holder" "$err" "$loader"
for _ in $(seq 500); do [ -S "$home/live.sock" ] && break; sleep 0.02; done
expect 0 run stat --json # By the channel of the one that has it open.
printf '%s\n' "$out" | json_holds 'rows[0]["state"] == "open" and rows[0]["live"] == "open" and rows[0]["txn"]["begun"] > 0'
expect 0 run stat
has "live stat, plain" "$out" "txn.active "
expect 0 run stat --format table
has "live stat, table" "$out" "p99.9"
expect 0 run top --store runs --count 2 --every-ms 20
same "live pictures" "$(grep -c '^runs: ' <<<"$out")" 2
has "a live picture" "$out" "level 0"
expect 0 run deadlock --json
printf '%s\n' "$out" | json_holds 'rows[0]["open"] and rows[0]["pid"] == '"$loader"' and rows[0]["waiters"] == []'
expect 0 run deadlock
has "deadlock, plain" "$out" "open true"
expect 0 run deadlock --format table
has "deadlock, table" "$out" "nobody waits"
exec 9>&-
wait "$loader"
same "the holder itself" "$?" 0

# An interrupted load says what it committed, and can go on from there.
start_load "$work/stopped" load --store t
head -2500 rows.tsv >&9
await_busy "$work/stopped"
kill -INT "$loader"
wait "$loader"
same "interrupted" "$?" 130
exec 9>&-
has "interrupted" "$(cat feed_err)" "interrupted: "
has "interrupted" "$(cat feed_err)" "committed"
skip=$(sed -n 's/.*--skip \([0-9]*\).*/\1/p' feed_err)
expect 0 "$aether" --home "$work/stopped" load --store t rows.tsv --skip "${skip:-0}"
"$aether" --home "$work/stopped" dump --store t --type tsv | cmp -s - rows.tsv || fail "resumed load"

# After a SIGKILL: recovery is needed, is done once, and nothing committed is lost. What is fed exceeds
# the loader's block and the pipe together, so that some of it is committed when the feeding ends.
expect 0 run put before kill
start_load "$home" load --store killed --batch 100
seq 1 60000 | awk '{print "key" $1 "\tv"}' >&9
kill -KILL "$loader"
wait "$loader" 2>/dev/null
exec 9>&-
expect 1 run recover --dry-run
has "recovery is needed" "$out" "recovery_needed true"
expect 7 run --read-only get before
expect 0 run recover --json
printf '%s\n' "$out" | json_holds 'rows[0]["ran"] is True'
expect 0 run recover --dry-run
expect 0 run get before
same "committed before the kill" "$out" kill
expect 0 run verify

finish
