#!/usr/bin/env bash
# `./dev lint`: scripts parse, house rules (tools/tidy), form (clang-format), bugs (clang-tidy).
#   --fix   put the form right instead of complaining
#   --all   clang-tidy of every file instead of those that differ from main
#   --ci    clang-tidy of as many files as three minutes allow, the newest first
set -uo pipefail
. tools/lib.sh
bad=0
fix=
which=changed
for argument in "$@"; do
  case $argument in
    --fix) fix=yes ;;
    --all) which=all ;;
    --ci) which=ci ;;
    *) die "lint knows --fix, --all and --ci, not $argument" ;;
  esac
done

mapfile -t scripts < <(git ls-files dev '*.sh' .ci/run
  git grep -lI '^#!.*bash' -- tools demo bench)
# Sourced files share variables, which shellcheck cannot see.
shellcheck -S warning -e SC2034,SC2154 "${scripts[@]}" || bad=1
"$python" -m compileall -q tools >/dev/null || bad=1

mapfile -t sources < <(git ls-files -co --exclude-standard '*.cpp' '*.h')
mapfile -t pythons < <(git ls-files -co --exclude-standard '*.py'
  git grep -lI --untracked '^#!.*python3' -- tools tests demo bench)
# The system's Python, and no settings of the machine's user.
black=(/usr/bin/black --quiet --line-length 100 --skip-string-normalization)
if [ -n "$fix" ]; then
  clang-format-16 -i "${sources[@]}"
  "${black[@]}" "${pythons[@]}"
else
  "${black[@]}" --check "${pythons[@]}" ||
    { echo "form of Python: run ./dev lint --fix" >&2; bad=1; }
  # One line a file is enough: the remedy is the same for all.
  clang-format-16 --dry-run "${sources[@]}" 2>&1 |
    sed -n 's/^\([^:]*\):[0-9].*-Wclang-format-violations.*/\1/p' | sort -u | tee /dev/stderr |
    grep -q . && { echo "form: run ./dev lint --fix" >&2; bad=1; }
fi

tools/tidy || bad=1

# clang-tidy reads how each file is compiled.
[ -f build/compile_commands.json ] || cmake --preset release >/dev/null || bad=1
case $which in
  all) "$python" tools/clang_tidy.py || bad=1 ;;
  # What was clean is remembered, so that three minutes reach all that changed.
  ci) "$python" tools/clang_tidy.py --minutes 3 || bad=1 ;;
  changed)
    base=$(git merge-base HEAD origin/main 2>/dev/null ||
      git merge-base HEAD main 2>/dev/null || echo HEAD)
    mapfile -t changed < <({ git diff --name-only "$base" -- 'src/*.cpp'
      git ls-files -o --exclude-standard 'src/*.cpp'; } | sort -u | while read -r name; do
        [ ! -f "$name" ] || echo "$name"; done)
    [ ${#changed[@]} = 0 ] || "$python" tools/clang_tidy.py "${changed[@]}" || bad=1
    ;;
esac
[ $bad = 0 ] && echo "lint: clean"
exit $bad
