#!/bin/bash
# A hit of pymilvus 3.0.2 has no value by the name of the collection's primary key where the server is Milvus 2.3.5 and no
# output field was asked for: hit["crop_id"] raises KeyError, and the key is under "id". The same search of milvus-lite 3.2.2
# has it under "crop_id" and not under "id". The client names the key as the answer does, and older servers leave that name
# out. So code that was tried on milvus-lite alone fails on a server; output_fields=["crop_id"] makes both the same.
# Needs Linux with unshare: the server listens on all addresses, so it runs in a network of its own.
# Seen with Python 3.11, milvus 2.3.5, setuptools 69.5.1 (server); pymilvus 3.0.2, milvus-lite 3.2.2 (client):
#   milvus-lite: keys ['crop_id', 'distance', 'entity'], asked for: crop_id='a'
#   Milvus v2.3.5-lite: keys ['distance', 'entity', 'id'], asked for: crop_id='a'
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
python3 -m venv "$W/server"
"$W/server/bin/pip" install -q milvus==2.3.5 'setuptools==69.5.1'
python3 -m venv "$W/client"
"$W/client/bin/pip" install -q pymilvus==3.0.2 milvus-lite==3.2.2
cat > "$W/ask.py" <<'P'
import subprocess, sys, time
from pymilvus import DataType, MilvusClient

def keys(client, name):
    schema = client.create_schema(auto_id=False)
    schema.add_field("crop_id", DataType.VARCHAR, max_length=8, is_primary=True)
    schema.add_field("feature", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("feature", index_type="FLAT", metric_type="IP")
    client.create_collection("crops", schema=schema, index_params=index, consistency_level="Strong")
    client.insert("crops", [{"crop_id": "a", "feature": [1.0, 0.0]}])
    plain = client.search("crops", [[1.0, 0.0]], limit=1)[0][0]
    asked = client.search("crops", [[1.0, 0.0]], limit=1, output_fields=["crop_id"])[0][0]
    print(f"{name}: keys {sorted(plain)}, asked for: crop_id={asked['crop_id']!r}")
    return sorted(plain)

work = sys.argv[1]
lite = keys(MilvusClient(f"{work}/lite.db"), "milvus-lite")
server = subprocess.Popen([f"{work}/server/bin/milvus-server", "--data", f"{work}/data"], stdout=subprocess.DEVNULL)
try:
    for _ in range(90):
        time.sleep(2)
        try:
            client = MilvusClient("http://127.0.0.1:19530", timeout=5)
            version = client.get_server_version()
            break
        except Exception:
            continue
    full = keys(client, f"Milvus {version}")
finally:
    server.kill()  # its own child dies with the process namespace
sys.exit((lite, full) != (["crop_id", "distance", "entity"], ["distance", "entity", "id"]))
P
unshare --map-root-user --net --pid --fork sh -c "ip link set lo up && '$W/client/bin/python' '$W/ask.py' '$W'"
