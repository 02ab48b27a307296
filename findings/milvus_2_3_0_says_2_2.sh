#!/bin/bash
# The PyPI package milvus 2.3.0 (the server itself) tells a client that it is a 2.2: get_server_version() of pymilvus 2.3.7
# answers "v2.2-testing-20230824-68-ga34a9d6-lite", and "v2.3.5-lite" of milvus 2.3.5. So a client that asks for
# "2.3 or newer" by the first two numbers refuses a 2.3.0 server that can do all it needs (collections that keep properties,
# upsert). The first two numbers of a Milvus version count only if a third follows.
# Needs Linux with unshare: the server listens on all addresses, so it runs in a network of its own.
# Seen with Python 3.11, milvus 2.3.0, pymilvus 2.3.7, setuptools 69.5.1, marshmallow 3.26.1:
#   v2.2-testing-20230824-68-ga34a9d6-lite
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
python3 -m venv "$W/v"
"$W/v/bin/pip" install -q milvus==2.3.0 pymilvus==2.3.7 'setuptools==69.5.1' marshmallow==3.26.1
cat > "$W/ask.py" <<'P'
import subprocess, sys, time
from pymilvus import connections, utility
work = sys.argv[1]
server = subprocess.Popen([f"{work}/v/bin/milvus-server", "--data", f"{work}/data"], stdout=subprocess.DEVNULL)
try:
    for _ in range(90):
        time.sleep(2)
        try:
            connections.connect(uri="http://127.0.0.1:19530", timeout=5)
            version = utility.get_server_version(timeout=5)
            break
        except Exception:
            continue
    print(version)
    sys.exit(not version.startswith("v2.2-testing"))
finally:
    server.kill()  # its own child dies with the process namespace
P
unshare --map-root-user --net --pid --fork sh -c "ip link set lo up && '$W/v/bin/python' '$W/ask.py' '$W'"
