# Bad input: each gives an error that says what, where and what to do; and no partial load is silent.
. "$(dirname "$0")/cli_lib.bash"

home=$work/env
run() { "$aether" --home "$home" "$@"; }
load_text() { # load_text TEXT OPTION...: loads what printf makes of TEXT
  printf "$1" >input
  shift
  "$aether" --home "$home" load --input input "$@"
}
count() { run scan --count --store "$1" 2>/dev/null || echo 0; }

# --- keys and values at their limits ----------------------------------------------------------------------
expect 0 run put k ''
expect 0 run get k
same "empty value" "$out" ''
run put --hex 0001fe80 00 || fail "binary key"
longest=$(printf 'x%.0s' $(seq 2000))
low=1 high=2000 # The longest key that is taken: found by asking.
while [ $low -lt $high ]; do
  middle=$(((low + high + 1) / 2))
  if run put "${longest:0:$middle}" v 2>/dev/null; then low=$middle; else high=$((middle - 1)); fi
done
[ $low -ge 900 ] && [ $low -le 1024 ] || fail "the longest key has $low bytes, not about a quarter of a page"
expect 0 run get "${longest:0:$low}"
expect 8 run put "${longest:0:$((low + 1))}" v
has "one byte too long" "$err" "key"
expect 3 run get "${longest:0:$((low + 1))}"
expect 0 run verify
# The empty key is either a key like others, or refused with a reason: never half.
if run put '' empty 2>err; then
  expect 0 run get ''
  same "empty key" "$out" empty
else
  has "empty key refused" "$(cat err)" "key"
fi

# --- dumps -----------------------------------------------------------------------------------------------------
good='VERSION=3\nformat=print\nHEADER=END\n k1\n v1\n k2\n v2\n'
expect 8 load_text "$good" --store cut
has "no DATA=END" "$err" "DATA=END"
has "what was committed" "$err" "no rows were committed"
same "nothing of the cut dump" "$(count cut)" 0
expect 8 load_text "$good" --store cut --batch 1
has "what was committed" "$err" "the first 2 rows of the input were committed"
has "how to go on" "$err" "--skip 2"
same "what was said is there" "$(count cut)" 2
expect 8 load_text "$good" --store cut2 --batch 1 --atomic
same "atomic" "$(count cut2)" 0
expect 0 load_text "${good}DATA=END\n" --store cut --skip 1
expect 8 load_text "${good} odd\nDATA=END\n" --store odd
has "a key without a value" "$err" "line 9, column 1"
expect 8 load_text 'VERSION=3\nformat=bytevalue\nHEADER=END\n 6x\n 00\nDATA=END\n' --store hex
has "wrong digit" "$err" "line 4, column 3"
expect 8 load_text 'VERSION=3\nHEADER=END\n' --store x
expect 8 load_text 'VERSION=3\nformat=print\nduplicates=1\nHEADER=END\n k\n 1\n k\n 2\nDATA=END\n' --store dup
has duplicates "$err" "--existing overwrite"
expect 0 load_text 'VERSION=3\nformat=print\nduplicates=1\nHEADER=END\n k\n 1\n k\n 2\nDATA=END\n' --store dup --existing keep
expect 0 run get k --store dup
same "the first is kept" "$out" 1
expect 0 load_text 'k\t1\nk\t2\n' --store dup2
expect 0 run get k --store dup2
same "the last wins" "$out" 2
expect 9 load_text 'a\t1\nk\t3\n' --store dup2 --existing fail --batch 1
has "which key, and where" "$err" 'line 2: key "k"'
has "what was committed" "$err" "the first 1 row of the input was committed"

# --- text ---------------------------------------------------------------------------------------------------------
expect 8 load_text 'k\tv\nlonely\n' --store t
has "no tab" "$err" "line 2, column 7"
expect 8 load_text '{"key":"k","value":1}\n' --store t
has "not a string" "$err" "column 20"
expect 8 load_text '{"key":"k",' --store t
expect 8 load_text 'neither\n' --store t
has "unknown type" "$err" "--type"
expect 8 load_text '' --store t
expect 8 load_text "${longest}\tv\n" --store t
has "a key that is too long" "$err" "line 1"
expect 3 run load nosuchfile
has "no such file" "$err" nosuchfile
expect 8 run load /
[ ! -e "$work/never" ] || fail "made too early"
expect 3 "$aether" --home "$work/never" load nosuchfile
[ ! -e "$work/never" ] || fail "an environment was made for a file that is not there"

# --- directories that are no environment -----------------------------------------------------------------------------
expect 3 "$aether" --home "$work/nowhere" scan
has "no environment" "$err" "$work/nowhere"
mkdir other && echo precious >other/file
expect 3 "$aether" --home "$work/other" scan
has "no environment" "$err" "$work/other"
same "left alone" "$(ls other)" file
echo text >plain
"$aether" --home "$work/plain" put k v 2>err && fail "a file is no environment"
has "a file" "$(cat err)" "$work/plain"
cp -r "$home" damaged
for file in damaged/CONTROL; do
  [ -e "$file" ] || continue
  # Both slots are changed: one alone is covered by the other.
  python3 -c '
import sys
data = bytearray(open(sys.argv[1], "rb").read())
for at in range(0, len(data), 64): data[at] ^= 0x40
open(sys.argv[1], "wb").write(data)' "$file"
  "$aether" --home "$work/damaged" scan --count >out 2>err
  status=$?
  [ $status -eq 5 ] || [ $status -eq 7 ] || fail "a damaged CONTROL ended with $status: $(cat err)"
  has "a damaged CONTROL" "$(cat err)" CONTROL
done

# --- full disks, read-only files: in a mount namespace of our own, where that is allowed ------------------------------
if unshare --mount --map-root-user true 2>/dev/null; then
  cat >in_namespace <<'INNER'
set -u
mkdir -p small
mount -t tmpfs -o size=160m tmpfs small || exit 77
"$aether" --home small/env put before full || exit 10
"$aether" --home small/env load --store big --type tsv --input rows.tsv 2>full_err
echo $? >full_status
"$aether" --home small/env --read-only get before >full_get 2>full_get_err || \
  "$aether" --home small/env get before >full_get 2>>full_get_err
echo $? >full_get_status
"$aether" --home small/env scan --store big --count >full_count 2>/dev/null
cp -r "$home" ro
mount --bind ro ro && mount -o remount,bind,ro ro || exit 77
"$aether" --home ro get k >ro_get 2>ro_err
echo $? >ro_get_status
"$aether" --home ro put k v 2>ro_put_err
echo $? >ro_put_status
INNER
  python3 -c '
for i in range(300000): print(f"key{i:08d}\t" + "v" * 1000)' >rows.tsv
  aether=$aether home=$home unshare --mount --map-root-user bash in_namespace
  status=$?
  if [ $status -eq 0 ]; then
    same "a full disk" "$(cat full_status)" 6
    has "a full disk" "$(cat full_err)" "committed"
    said=$(sed -n 's/.*the first \([0-9,]*\) rows\{0,1\} .*/\1/p' full_err | tr -d ,)
    found=$(cat full_count)
    [ "${said:-0}" -le "${found:-0}" ] && [ "${found:-0}" -le $((${said:-0} + 1000)) ] ||
      fail "a full disk: $said rows were said to be committed, $found are there"
    same "reading on a full disk" "$(cat full_get_status)" 0
    same "reading on a full disk" "$(cat full_get)" full
    same "reading read-only files" "$(cat ro_get_status)" 0
    same "writing read-only files" "$(cat ro_put_status)" 6
    has "writing read-only files" "$(cat ro_put_err)" "ro"
  elif [ $status -ne 77 ]; then
    fail "the part in a namespace ended with $status"
  else
    echo "note: no mounts here; the full disk and read-only files were left out"
  fi
else
  echo "note: no mount namespaces here; the full disk and read-only files were left out"
fi

finish
