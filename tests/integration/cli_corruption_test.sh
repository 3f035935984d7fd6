# A flipped byte in every kind of page: verify finds it and names the page; readers get an error or what
# they asked for, never something else.
. "$(dirname "$0")/cli_lib.bash"

home=$work/env
python3 -c '
for i in range(20000): print(f"key{i:06d}\tvalue {i} " + "v" * 80)
print("large\t" + "L" * 100000)' >rows.tsv
"$aether" --home "$home" load --quiet rows.tsv || fail "load"
expect 0 "$aether" --home "$home" verify

python3 - "$aether" "$home" <<'PYTHON' || fail "a flipped byte was not handled"
import json, os, shutil, subprocess, sys

aether, home = sys.argv[1:]
page_bytes = 4096
pages = os.path.getsize(f"{home}/data") // page_bytes

def run(directory, *words):
    return subprocess.run([aether, "--home", directory, *words], capture_output=True)

kinds, expected = {}, open("rows.tsv", "rb").read()
for page in list(range(min(pages, 64))) + list(range(64, pages, 7)):
    done = run(home, "inspect", str(page), "--json")
    if done.returncode == 0:
        kinds.setdefault(json.loads(done.stdout)["kind"], []).append(page)
print("kinds of pages:", {kind: len(found) for kind, found in kinds.items()})
wrong = 0
for kind, found in kinds.items():
    if kind == "unused" or kind == "free":
        continue
    page = found[len(found) // 2]
    for offset in (0, 9, 20, 40, 300, 2000, page_bytes - 1):
        copy = f"{home}.flipped"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(home, copy)
        with open(f"{copy}/data", "r+b") as data:
            data.seek(page * page_bytes + offset)
            byte = data.read(1)[0]
            data.seek(page * page_bytes + offset)
            data.write(bytes([byte ^ 0x10]))
        verified = run(copy, "verify")
        said = (verified.stdout + verified.stderr).decode()
        if verified.returncode not in (1, 5) or f"page {page}" not in said:
            print(f"{kind} page {page}, byte {offset}: verify ended with {verified.returncode}: {said}")
            wrong += 1
        dumped = run(copy, "dump", "--type", "tsv")
        if dumped.returncode not in (0, 5) or (dumped.returncode == 0 and dumped.stdout != expected[:0] + b"".join(sorted(expected.splitlines(True)))):
            print(f"{kind} page {page}, byte {offset}: dump ended with {dumped.returncode}: {dumped.stderr.decode()}")
            wrong += 1
        if dumped.returncode < 0 or verified.returncode < 0:
            wrong += 1
sys.exit(1 if wrong or len(kinds) < 3 else 0)
PYTHON

finish
