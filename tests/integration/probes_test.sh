# The probes that docs/TRACING.md lists are in the command and in the shared library, with as many arguments; and no others.
set -u
: "${AETHER_BIN:?}" "${SOURCE_DIR:?}"
command -v readelf >/dev/null || exit 77
documented=$(sed -n 's/^| `\([a-z_]*\)(\([^)]*\))` |.*/\1 \2/p' "$SOURCE_DIR/docs/TRACING.md" |
  awk '{ gsub(/,/, " "); print $1, NF - 1 }' | sort)
[ "$(printf '%s\n' "$documented" | wc -l)" -ge 12 ] || { echo "docs/TRACING.md lists no dozen probes"; exit 1; }

status=0
for file in "$AETHER_BIN/aether" "$AETHER_BIN/../lib/libaether.so"; do
  # A note is: Provider, Name, Location, Arguments (8@%rax -4@$1 ...: one word each, but for spaces in none).
  found=$(readelf -n "$file" 2>/dev/null | awk '
    /^ *Provider: / { ours = $2 == "aether" }
    ours && /^ *Name: / { name = $2 }
    ours && /^ *Arguments: / { print name, NF - 1 }' | sort -u)
  if [ -z "$found" ]; then
    echo '#include <sys/sdt.h>' | c++ -E - >/dev/null 2>&1 || exit 77  # Built without it.
    echo "$file has no probes, though sys/sdt.h is there"
    exit 1
  fi
  [ "$found" = "$documented" ] || {
    echo "$file and docs/TRACING.md do not agree:"
    diff <(printf '%s\n' "$documented") <(printf '%s\n' "$found")
    status=1
  }
done
exit $status
