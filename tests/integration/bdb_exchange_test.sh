# Files go both ways between Aether and the real Berkeley DB programs (Debian package db5.3-util).
. "$(dirname "$0")/cli_lib.bash"

for program in db5.3_load db5.3_dump; do
  command -v $program >/dev/null || { echo "$program is missing: install db5.3-util" >&2; exit 1; }
done

# Keys and values of every kind: every byte, empty values, backslashes, UTF-8, long values. Sorted as
# both sides sort, so that dumps can be compared as text.
python3 - <<'PYTHON'
rows = {bytes([b]): bytes([255 - b]) for b in range(256)}
rows |= {f"key{i:05d}".encode(): f"value {i}".encode() for i in range(3000)}
rows |= {b"empty": b"", b"back\\slash": b"\\00\\\\", "é東京".encode(): "ü".encode()}
rows |= {b"all": bytes(range(256)) * 16, b"large": b"L" * 200000}
with open("rows.dump", "wb") as f:
    f.write(b"VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\n")
    for key in sorted(rows):
        f.write(b" " + key.hex().encode() + b"\n " + rows[key].hex().encode() + b"\n")
    f.write(b"DATA=END\n")
PYTHON
data_of() { sed -n '/^HEADER=END$/,$p'; }
data_of <rows.dump >wanted

# Berkeley DB to Aether.
db5.3_load -f rows.dump theirs.db || fail "db5.3_load"
for form in '' -p; do
  db5.3_dump $form theirs.db >theirs.dump || fail "db5.3_dump $form"
  rm -rf env
  expect 0 "$aether" --home env load theirs.dump
  "$aether" --home env dump | data_of | cmp -s - wanted || fail "from db5.3_dump $form: rows differ"
  expect 0 "$aether" --home env verify
done

# Through a pipe, as people do it; and a hash database, whose rows come in no order.
rm -rf env
db5.3_dump theirs.db | "$aether" --home env load --quiet || fail "through a pipe"
"$aether" --home env dump | data_of | cmp -s - wanted || fail "through a pipe: rows differ"
sed 's/type=btree/type=hash/' rows.dump | db5.3_load hash.db || fail "db5.3_load of a hash"
rm -rf env
db5.3_dump hash.db | "$aether" --home env load --quiet || fail "from a hash"
"$aether" --home env dump | data_of | cmp -s - wanted || fail "from a hash: rows differ"

# Aether to Berkeley DB.
for form in '' --print; do
  rm -f ours.db
  expect 0 "$aether" --home env dump $form --output ours.dump
  db5.3_load -f ours.dump ours.db || fail "db5.3_load refuses our dump $form"
  db5.3_dump ours.db | data_of | cmp -s - wanted || fail "to db5.3_load $form: rows differ"
done

# Several databases in one file, both ways.
rm -rf many many2 many.db
printf 'a\t1\nb\t2\n' | "$aether" --home many load --store first --quiet
printf 'c\t3\n' | "$aether" --home many load --store second --quiet
expect 0 "$aether" --home many dump --all --output many.dump
db5.3_load -f many.dump many.db || fail "db5.3_load of several databases"
db5.3_dump -s second many.db | data_of | cmp -s - <(printf 'HEADER=END\n 63\n 33\nDATA=END\n') ||
  fail "the second database differs"
db5.3_dump many.db >theirs_many.dump || fail "db5.3_dump of several databases"
rm -rf many2
if grep -q '^database=' theirs_many.dump; then
  expect 0 "$aether" --home many2 load theirs_many.dump
  "$aether" --home many2 dump --all | cmp -s - many.dump || fail "several databases came back differently"
fi

# Duplicates: their dump says so, and we do not drop values without a word. Recno: keys with -k.
printf 'VERSION=3\nformat=print\ntype=btree\nduplicates=1\nHEADER=END\n k\n 1\n k\n 2\nDATA=END\n' | db5.3_load dup.db
db5.3_dump -p dup.db >dup.dump
expect 8 "$aether" --home dup load dup.dump
has duplicates "$err" "--existing"
expect 0 "$aether" --home dup load --existing overwrite dup.dump
expect 0 "$aether" --home dup get k
same "the last value" "$out" 2
printf 'VERSION=3\nformat=print\ntype=recno\nHEADER=END\n one\n two\nDATA=END\n' | db5.3_load recno.db
db5.3_dump -p recno.db >recno.dump
expect 8 "$aether" --home recno load recno.dump
has "recno without keys" "$err" "-k"
db5.3_dump -p -k recno.db >recno.dump
expect 0 "$aether" --home recno load recno.dump
expect 0 "$aether" --home recno get 2
same "recno with keys" "$out" two

finish
