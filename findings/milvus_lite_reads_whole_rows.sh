#!/bin/bash
# milvus-lite 3.2.2 (pymilvus 3.0.2): a query that asks for one number of each row takes time for the vectors, too, which
# nobody asked for. Every row that is looked at is made a Python dictionary of all its fields first, the vector a list of
# Python numbers; what was not asked for is left out afterwards. The same holds for get by ids, and for an upsert of a key
# that is there. 2,000 rows, output_fields=["n"], seconds of the processor, vectors of 8 and of 2,048 numbers.
# Seen with Python 3.11, milvus-lite 3.2.2, pymilvus 3.0.2, pyarrow 26.0.1:
#   8 numbers a vector: 0.02 s to read one whole number of each of 2000 rows
#   2048 numbers a vector: 0.09 s to read one whole number of each of 2000 rows
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
python3 -m venv "$W/v"
"$W/v/bin/pip" install -q milvus-lite==3.2.2 pymilvus==3.0.2
cat > "$W/read.py" <<'P'
import sys, time
from pymilvus import DataType, MilvusClient
took = {}
for dimension in (8, 2048):
    client = MilvusClient(f"{sys.argv[1]}/{dimension}.db")
    schema = client.create_schema(enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=dimension)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="IP")
    client.create_collection("c", schema=schema, index_params=index)
    client.insert("c", [{"id": row, "n": row, "v": [1.0] * dimension} for row in range(2000)])
    client.flush("c")
    times = []
    for _ in range(5):
        start = time.process_time()
        rows = client.query("c", filter="id >= 0", output_fields=["n"])
        times.append(time.process_time() - start)
        assert len(rows) == 2000 and set(rows[0]) == {"id", "n"}
    took[dimension] = min(times)
    print(f"{dimension} numbers a vector: {min(times):.2f} s to read one whole number of each of 2000 rows")
sys.exit(took[2048] < 2 * took[8])
P
"$W/v/bin/python" "$W/read.py" "$W" 2> /dev/null
