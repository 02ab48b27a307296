#!/usr/bin/env bash
# onnxruntime 1.32.0 (PyPI wheel, Linux x86_64, Python 3.11): the call that is there to switch its reporting off,
# onnxruntime.disable_telemetry_events(), made as the first thing after the import, changes nothing that can be seen from outside: a
# lasting number for the machine and a database of events were written below HOME while the package was imported, and some five seconds
# later the collector's name is looked up as often as without the call (12 times in 40 seconds on a machine without a way out).
# Only ORT_DISABLE_TELEMETRY before the import stops all three; 1 and true do, 0 and an empty value leave it on. A GITHUB_ACTIONS=true
# in the environment stops it as well.
# Output seen:
#   nothing set: deviceid onnxruntime.db; the call: deviceid onnxruntime.db; 0: deviceid onnxruntime.db; empty: deviceid onnxruntime.db
#   1: none; true: none; GITHUB_ACTIONS: none
#   name servers asked within 12 s, after the call: yes; with the variable: no
# The last line needs strace and is left out without it. Exits 1 if any of this is different.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0
unset ORT_DISABLE_TELEMETRY XDG_CACHE_HOME GITHUB_ACTIONS CI

files() { # NAME PROGRAM [VARIABLE=VALUE]: what lies below a new home after the program
  mkdir "$work/$1"
  env HOME="$work/$1" ${3+"$3"} "$work/venv/bin/python" -c "$2"
  (cd "$work/$1" && find . -type f -path '*onnxruntime*' -exec basename {} \; | sort | tr '\n' ' ')
}
expect() { # WHAT GOT WANTED
  echo "$1: ${2:-none}"
  [ "$2" = "$3" ] || { echo "changed: $1 gave '$2', it was '$3'"; exit 1; }
}
both="deviceid onnxruntime.db "
import="import onnxruntime"
call="import onnxruntime; onnxruntime.disable_telemetry_events()"
expect "nothing set" "$(files plain "$import")" "$both"
expect "the call" "$(files call "$call")" "$both"
expect "0" "$(files zero "$import" ORT_DISABLE_TELEMETRY=0)" "$both"
expect "empty" "$(files empty "$import" ORT_DISABLE_TELEMETRY=)" "$both"
expect "1" "$(files one "$import" ORT_DISABLE_TELEMETRY=1)" ""
expect "true" "$(files true "$import" ORT_DISABLE_TELEMETRY=true)" ""
expect "GITHUB_ACTIONS" "$(files actions "$import" GITHUB_ACTIONS=true)" ""

if command -v strace >/dev/null; then
  asked() { # NAME VARIABLE=VALUE: whether a name server was asked by a program that makes the call and waits
    mkdir "$work/$1"
    strace -f -qq -e trace=connect -o "$work/$1.calls" env HOME="$work/$1" "$2" "$work/venv/bin/python" -c "$call; import time; time.sleep(12)"
    if grep -q 'htons(53)' "$work/$1.calls"; then echo yes; else echo no; fi
  }
  expect "name servers asked after the call" "$(asked late UNRELATED=1)" yes
  expect "name servers asked with the variable" "$(asked early ORT_DISABLE_TELEMETRY=1)" no
fi
