#!/bin/bash
# milvus-lite 3.2.2 (pymilvus 3.0.2) promises that a write which was answered survives the death of its process: it is in a log
# of writes by then. It is not if another thread writes to the same collection for the first time at the same moment. Both
# find no log yet and both open it, the second one empties it, and what the first one wrote is gone with the process.
# Eight threads, 50 rows each, all answered and all counted; then SIGKILL, and the folder is opened again. One thread
# loses nothing. Each new file of the log is opened by the first write into it, so this can come back later.
# Seen with Python 3.11, milvus-lite 3.2.2, pymilvus 3.0.2 (in the first or second try of the eight threads):
#   1 thread: 400 answered, 400 counted, 400 after the kill
#   8 threads: 400 answered, 400 counted, 250 after the kill
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
python3 -m venv "$W/v"
"$W/v/bin/pip" install -q milvus-lite==3.2.2 pymilvus==3.0.2
cat > "$W/write.py" <<'P'
import os, signal, sys, threading
from pymilvus import DataType, MilvusClient
folder, num_threads = sys.argv[1], int(sys.argv[2])
client = MilvusClient(folder)
schema = client.create_schema(enable_dynamic_field=False)
schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
index = client.prepare_index_params()
index.add_index("v", index_type="FLAT", metric_type="IP")
client.create_collection("c", schema=schema, index_params=index)
start, answered = threading.Barrier(num_threads), []
def write(number):
    rows = [{"id": f"{number}-{row}", "v": [1.0, 0, 0, 0]} for row in range(400 // num_threads)]
    start.wait()
    answered.append(client.insert("c", rows)["insert_count"])
threads = [threading.Thread(target=write, args=(number,)) for number in range(num_threads)]
for each in threads: each.start()
for each in threads: each.join()
counted = client.query("c", filter="", output_fields=["count(*)"])[0]["count(*)"]
print(f"{num_threads} thread{'s' * (num_threads > 1)}: {sum(answered)} answered, {counted} counted", end=", ", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
P
cat > "$W/count.py" <<'P'
import sys
from pymilvus import MilvusClient
print(MilvusClient(sys.argv[1]).query("c", filter="", output_fields=["count(*)"])[0]["count(*)"])
P
left() {  # threads, place
  (set +e; "$W/v/bin/python" "$W/write.py" "$W/$2.db" "$1" 2> /dev/null; true) 2> /dev/null
  COUNT=$("$W/v/bin/python" "$W/count.py" "$W/$2.db")
  echo "$COUNT after the kill"
}
left 1 one
test "$COUNT" = 400
for TRY in $(seq 40); do
  left 8 "eight$TRY"
  test "$COUNT" = 400 || exit 0
done
exit 1
