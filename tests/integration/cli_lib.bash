# Shared by the tests of the command: a scratch directory, and checks that count failures.
# The caller has: AETHER_BIN (the directory of the programs), SOURCE_DIR.
set -u
aether="${AETHER_BIN:?}/aether"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset AETHER_HOME
export NO_COLOR=1
failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# expect STATUS COMMAND...: runs it, with out and err holding what it printed.
expect() {
  local wanted=$1
  shift
  "$@" >"$work/out" 2>"$work/err"
  local got=$?
  out=$(tr -d '\0' <"$work/out")
  err=$(tr -d '\0' <"$work/err")
  [ "$got" -eq "$wanted" ] || fail "$* ended with $got, not $wanted: $out $err"
}

same() { # same WHAT GOT WANTED
  [ "$2" = "$3" ] || fail "$1: got '$2', not '$3'"
}

has() { # has WHAT TEXT PART
  case $2 in
  *"$3"*) ;;
  *) fail "$1: '$2' does not hold '$3'" ;;
  esac
}

# Standard input is JSON, or JSON lines; EXPRESSION (of `rows`, a list of objects) must be true.
json_holds() {
  python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin if line.strip()]
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" || fail "JSON does not fit: $1"
}

finish() {
  [ "$failures" -eq 0 ] || { echo "$failures failed"; exit 1; }
  echo "all passed"
}
