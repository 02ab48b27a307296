#!/bin/bash
# pymilvus 3.0.2 keeps what it knows of a collection's fields for the whole process, by address and name. With
# milvus-lite 3.2.2 an address is no database: each folder is served at a free port of this machine, and a port that one folder
# gave back may be the next one's. Then a collection of the same name is written by the fields of the other folder's: here a
# value that may be unknown, of two rows, is sent for one alone and refused. Closing the client or releasing the server
# does not make it forget. Two ports in tens of thousands meet by chance, so it fails now and then; here the second folder is given
# the first one's port. What helps is to clear that memory when a folder is opened.
# Seen with Python 3.11:
#   own port: 2 rows written
#   the first folder's port: MilvusException: FieldData 't' has 1 rows, expected 2
#   the first folder's port, memory cleared: 2 rows written
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
python3 -m venv "$W/v"
"$W/v/bin/pip" install -q milvus-lite==3.2.2 pymilvus==3.0.2
cat > "$W/meet.py" <<'P'
import sys
from milvus_lite.adapter.grpc import server
from milvus_lite.server_manager import server_manager_instance
from pymilvus import DataType, MilvusClient
from pymilvus.client.cache import GlobalCache
start, ports, same_port = server.start_server_in_thread, [], True
def started(*args, **options):
    found = start(*args, **{**options, "port": ports[0] if ports and same_port else 0})
    ports.append(found[2])
    return found
server.start_server_in_thread = started
def opened(folder, nullable):
    client = MilvusClient(folder)
    schema = client.create_schema(enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("t", DataType.DOUBLE, nullable=nullable)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="IP")
    client.create_collection("c", schema=schema, index_params=index)
    return client
def closed(client, folder):
    client.close()
    server_manager_instance.release_server(folder)
# The folder that may be without a value, made first; then another folder is used; then the first one again.
old, new = sys.argv[1] + "/old.db", sys.argv[1] + "/new.db"
same_port = False
closed(opened(old, True), old)
ports.clear()
client = opened(new, False)
client.upsert("c", [{"id": 1, "v": [1, 0, 0, 0], "t": 1.0}])
closed(client, new)
rows = [{"id": 1, "v": [1, 0, 0, 0], "t": 5.0}, {"id": 2, "v": [0, 1, 0, 0], "t": None}]
def attempt():
    client = MilvusClient(old)
    try:
        return f"{client.upsert('c', rows)['upsert_count']} rows written"
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    finally:
        closed(client, old)
print("own port:", attempt())
same_port = True
print("the first folder's port:", attempt())
GlobalCache.schema.clear()
print("the first folder's port, memory cleared:", attempt())
P
"$W/v/bin/python" "$W/meet.py" "$W" 2>/dev/null | tee "$W/seen"
cat > "$W/wanted" <<'T'
own port: 2 rows written
the first folder's port: MilvusException: FieldData 't' has 1 rows, expected 2
the first folder's port, memory cleared: 2 rows written
T
cmp "$W/seen" "$W/wanted"
