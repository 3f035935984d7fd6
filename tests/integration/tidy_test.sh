#!/usr/bin/env bash
# Goal:   tools/tidy finds what it is there to find, at the right line, and nothing in a clean tree.
# Method: a small tree of our own; one fault at a time is put in, and tidy must name file and line.
set -euo pipefail
: "${SOURCE_DIR:?the source directory}"
command -v python3 >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mark=FIX; mark+=ME

clean_tree() {
  rm -rf "${work:?}/tree"
  mkdir -p "$work/tree"/{include/aether,src/{base,os,wal,page},tools,docs}
  cd "$work/tree"
  cp "$SOURCE_DIR/tools/layers.txt" tools/
  printf '#pragma once\n#include <cstdint>\n' >include/aether/public.h
  printf '#pragma once\n#include "aether/public.h"\n' >src/base/a.h
  printf '#pragma once\n#include <mutex>\ninline std::mutex m;\n' >src/os/o.h
  printf '#pragma once\nint secret();\n' >src/os/o_private.h
  printf '#pragma once\n#include "base/a.h"\n#include "os/o.h"\n' >src/wal/w.h
  printf '// fsync( and std::mutex in a comment\n#include "wal/w.h"\nconst char* s = "mmap(";\n' >src/wal/w.cpp
  printf 'int calls(Thing& t) { return t.fsync() + Other::open(1); }\n' >>src/wal/w.cpp
}

finds() {  # finds <file:line> <words>
  local said
  if said=$("$SOURCE_DIR/tools/tidy" --root "$work/tree"); then
    echo "not found: $2"; exit 1
  fi
  grep -qF "$1: " <<<"$said" && grep -qF "$2" <<<"$said" || { echo "expected '$1 ... $2' in:"; echo "$said"; exit 1; }
  grep -q ' 1 findings' <<<"$said" || { echo "expected one finding in:"; echo "$said"; exit 1; }
  echo "found: $2"
}

clean_tree
"$SOURCE_DIR/tools/tidy" --root "$work/tree"
clean_tree; printf '#include "wal/w.h"\n' >src/page/p.cpp; finds src/page/p.cpp:1 "page may not include wal/w.h"
clean_tree; echo '#include "os/o_private.h"' >>src/wal/w.cpp; finds src/wal/w.cpp:5 "private to os"
clean_tree; echo '#include "w.h"' >>src/wal/w.cpp; finds src/wal/w.cpp:5 "write the path from"
clean_tree; echo 'std::mutex m;' >>src/wal/w.cpp; finds src/wal/w.cpp:5 "a mutex comes from src/os only"
clean_tree; echo 'int x = fsync(3);' >>src/wal/w.cpp; finds src/wal/w.cpp:5 "a file call comes from src/os"
clean_tree; echo 'int x = ::open("f", 0);' >>src/wal/w.cpp; finds src/wal/w.cpp:5 "a file call comes from"
clean_tree; echo 'auto t = std::chrono::steady_clock::now();' >>src/wal/w.cpp; finds src/wal/w.cpp:5 "a clock comes from"
clean_tree; echo 'int x = rand();' >>src/wal/w.cpp; finds src/wal/w.cpp:5 "a random device comes from"
clean_tree; echo "// $mark" >>src/wal/w.cpp; finds src/wal/w.cpp:5 "$mark"
clean_tree; echo 'int f(std::map<int, int> m);' >>src/wal/w.h; finds src/wal/w.h:1 "does not compile alone"
clean_tree; sed -i 1d src/os/o_private.h; finds src/os/o_private.h:1 "without #pragma once"
clean_tree; mkdir src/new; printf '#pragma once\n' >src/new/n.h; finds src/new:1 "no line in tools/layers.txt"
clean_tree; yes '' | head -n 1001 >src/wal/long.cpp || true; finds src/wal/long.cpp:1001 "make it two files"
clean_tree; printf '<!-- src/base/a.h -->\n```cpp\nother\n```\n' >docs/d.md; finds docs/d.md:1 "the block differs"
clean_tree; mkdir spec; printf '| `Act` | `Other::calls` (wal/w.cpp) |\n' >spec/README.md; finds spec/README.md:1 "names Other::calls, which is nowhere"
clean_tree; mkdir spec; printf '| `Act` | `calls` (wal/v.cpp) |\n' >spec/README.md; finds spec/README.md:1 "names src/wal/v.cpp, which"
echo "tidy: finds what it should"
