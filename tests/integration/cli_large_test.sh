# Values at the limit of 1 GiB, and lines of 100 MB, in bounded memory.
# ctest: timeout=600 serial
. "$(dirname "$0")/cli_lib.bash"

home=$work/env
run() { "$aether" --home "$home" "$@"; }
peak_kib() { # The most memory that COMMAND had, in KiB.
  python3 -c '
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)' "$@"
}

# A line of 100 MB, in each type.
python3 -c 'import sys; sys.stdout.write("k\t" + "x" * 100_000_000 + "\n")' >line.tsv
python3 -c 'import sys; sys.stdout.write("{\"key\":\"k\",\"value\":\"" + "x" * 100_000_000 + "\"}\n")' >line.jsonl
for type in tsv jsonl; do
  peak=$(peak_kib "$aether" --home "$home" --pool 64MiB load --store $type --quiet "line.$type") ||
    fail "a line of 100 MB as $type"
  [ "${peak:-9999999}" -lt 900000 ] || fail "a line of 100 MB as $type took $peak KiB"
  run get k --store $type --raw | cmp -s - <(head -c 100000000 /dev/zero | tr '\0' x) ||
    fail "100 MB as $type came back differently"
done
expect 0 run dump --store tsv --output line.dump
expect 0 run load --store again line.dump --quiet
run get k --store again --raw | cmp -s - <(head -c 100000000 /dev/zero | tr '\0' x) ||
  fail "100 MB came back differently through a dump"

# 1 GiB, and one byte more.
free_kib=$(df --output=avail -k "$work" | tail -1)
if [ "$free_kib" -gt 6000000 ]; then
  python3 -c '
block = bytes(range(256)) * 4096
with open("gib", "wb") as f:
    for i in range(1024): f.write(block)'
  expect 0 "$aether" --home "$work/gib_env" --pool 64MiB put big --value-file gib
  "$aether" --home "$work/gib_env" --pool 64MiB get big --raw | cmp -s - gib || fail "1 GiB came back differently"
  expect 0 "$aether" --home "$work/gib_env" verify
  printf x >>gib
  expect 8 "$aether" --home "$work/gib_env" put bigger --value-file gib
  has "one byte too many" "$err" "1.0 GiB"
  expect 3 "$aether" --home "$work/gib_env" get bigger
else
  echo "note: less than 6 GB free; the value of 1 GiB was left out"
fi

finish
