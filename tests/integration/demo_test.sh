# The demo of `make demo`, as a test: it compares everything itself and fails if a comparison does.
# ctest: timeout=300 serial
. "$(dirname "$0")/cli_lib.bash"

expect 0 bash "${SOURCE_DIR:?}/tools/demo"
has "the demo" "$out" "All comparisons held."
has "the demo" "$out" "0 acknowledged transactions lost"
rows=$(xz --decompress --stdout "$SOURCE_DIR/data/cities.tsv.xz" | wc -l)
[ "$rows" -gt 130000 ] || fail "data/cities.tsv.xz has only $rows rows"
[ "$(stat --format %s "$SOURCE_DIR/data/cities.tsv.xz")" -lt $((4 << 20)) ] || fail "the data exceed 4 MiB"
finish
