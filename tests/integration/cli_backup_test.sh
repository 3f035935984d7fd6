# backup, restore, archive and verify --repair, from the command line.
. "$(dirname "$0")/cli_lib.bash"

home=$work/env
run() { "$aether" --home "$home" --archive "$work/archive" --quiet "$@"; }
rows() { seq "$1" "$2" | awk '{printf "key%06d\tvalue %d of this key, some bytes long\n", $1, $1}'; }

rows 1 3000 >first.tsv
run load --store main first.tsv || fail "load"
run put large - < <(head -c 300000 /dev/zero | tr '\0' 'x') >/dev/null || fail "put"
expect 0 run backup "$work/full" --json
json_holds 'rows[0]["pages"] == rows[0]["pages_copied"] and rows[0]["parent_id"] == ""' <out
rows 3001 3500 >second.tsv
run load --store main second.tsv || fail "load"
expect 0 run backup "$work/second" --parent "$work/full" --json
json_holds 'rows[0]["pages_copied"] < rows[0]["pages"] and rows[0]["parent_id"] != ""' <out
at=$(date -u +%s)
sleep_until=$((at + 1))
while [ "$(date -u +%s)" -le "$sleep_until" ]; do run get key000001 >/dev/null; done
run put large2 - < <(head -c 200000 /dev/zero | tr '\0' 'y') >/dev/null || fail "put"
expect 0 run del key000007
run dump --type tsv >now.tsv || fail "dump"

# The backups, without restoring them.
expect 0 "$aether" backup --verify "$work/full" "$work/second" --json
json_holds 'len(rows) == 2 and rows[1]["parent_id"] == rows[0]["id"]' <out
expect 0 "$aether" backup --list "$work/full" --format table
expect 3 "$aether" backup --verify "$work/second"
has "a chain" "$err" "not among those given"
expect 0 "$aether" archive "$work/archive" --verify --json
json_holds 'len(rows) == 1 and rows[0]["files"] > 0' <out

# To the newest point, to a time, and as the backups were.
expect 0 "$aether" --home "$work/newest" restore "$work/full" "$work/second" --archive "$work/archive" --json
json_holds 'rows[0]["transactions_undone"] == 0' <out
expect 0 "$aether" --home "$work/newest" verify
same "the newest point" "$("$aether" --home "$work/newest" dump --type tsv | sha256sum)" "$(sha256sum <now.tsv)"
expect 0 "$aether" --home "$work/timed" restore "$work/full" --archive "$work/archive" --until-time "@$at"
expect 0 "$aether" --home "$work/timed" get key000007
expect 3 "$aether" --home "$work/timed" get large2
expect 0 "$aether" --home "$work/timed" get key003500
expect 0 "$aether" --home "$work/plain" restore "$work/full"
expect 3 "$aether" --home "$work/plain" get key003001
same "a large value" "$("$aether" --home "$work/plain" get large --raw | wc -c)" 300000

# What is refused.
expect 9 run backup "$work/full"
has "a second backup" "$err" "holds a backup already"
expect 9 "$aether" --home "$work/plain" restore "$work/full"
expect 2 "$aether" --home "$work/x" restore "$work/full" --until-time yesterday
expect 2 "$aether" --home "$work/x" restore "$work/full" --until-lsn 1
expect 2 run recover --until '2026-01-01 00:00:00'
has "recover --until without a backup" "$err" "--from"
expect 2 run recover --until yesterday --from "$work/full"
expect 2 run recover --from "$work/full"
expect 3 run recover --until '2026-01-01 00:00:00' --from "$work/full"
expect 0 run get key003500
expect 3 "$aether" --home "$work/x" restore "$work/env"
mkdir "$work/cut" && cp -r "$work/full/." "$work/cut" && rm "$work/cut/MANIFEST"
expect 3 "$aether" backup --verify "$work/cut"
has "an unfinished backup" "$err" "interrupted"
cp -r "$work/full" "$work/bad"
printf 'x' | dd of="$work/bad/pages" bs=1 seek=9000 conv=notrunc status=none
expect 5 "$aether" backup --verify "$work/bad"
has "a damaged backup" "$err" "bad/pages"

# A damaged page is made again, by itself and by verify --repair.
for page in 5 9; do
  printf 'damage' | dd of="$home/data" bs=1 seek=$((page * 4096 + 100)) conv=notrunc status=none
done
expect 1 "$aether" --home "$home" --read-only verify
expect 0 run verify --repair --from "$work"
expect 0 run verify
same "after the repair" "$(run dump --type tsv | sha256sum)" "$(sha256sum <now.tsv)"

# One that was ended before its renames is in the way, and says so.
expect 0 "$aether" --home "$home.until" restore "$work/full"
expect 9 run recover --until "@$at" --from "$work/full"
has "what was made before" "$err" "env.until: remove that"
rm -r "$home.until"

# Back to a moment, in place; then from a state that a kill between its two renames has left; then of what cannot be opened.
expect 0 run recover --until "@$at" --from "$work/full" "$work/second" --json
json_holds 'len(rows) == 1 and rows[0]["environment"] != ""' <out
expect 0 "$aether" --home "$home" get key000007
expect 0 "$aether" --home "$home" get key003500
expect 3 "$aether" --home "$home" get large2
expect 0 "$aether" --home "$home.before" get large2
expect 9 run recover --until "@$at" --from "$work/full"
has "an environment from before" "$err" "env.before"
mv "$home" "$home.until"
expect 0 run recover --until "@$at" --from "$work/full"
expect 0 "$aether" --home "$home" get key000007
rm -r "$home"
expect 3 "$aether" --home "$work/nothing" --archive "$work/archive" recover --until "@$at" --from "$work/full"
mv "$home.before" "$home"
tr '\0-\377' x <"$home/CONTROL" >CONTROL && cp CONTROL "$home/CONTROL"
expect 5 "$aether" --home "$home" get key000007
expect 0 "$aether" --home "$home" --archive "$work/archive" recover --until "@$at" --from "$work/full"
has "what cannot be opened" "$err" "left out"
expect 0 "$aether" --home "$home/" get key000007

expect 0 "$aether" archive "$work/archive" --prune-before "$work/second" --quiet
finish
