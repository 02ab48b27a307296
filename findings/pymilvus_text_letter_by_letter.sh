#!/bin/bash
# pymilvus 3.0.2 checks a text of a row as if it were a list of texts: each of its letters is checked to be a text and to be
# no longer than the field (max_length). So the client never says that a text of a row is too long (given as columns, it
# does), and a text of 60,000 letters takes milliseconds more to write. A text that has itself as its only element is
# checked rightly, in no time.
# Seen with Python 3.11, pymilvus 3.0.2 (seconds of the processor for 100 texts of 60,000 letters):
#   a text of 60000 letters in a row, at most 10 allowed: accepted
#   the same as a column: refused
#   100 rows: 0.216 s; as texts of one element: 0.001 s
set -eu
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
python3 -m venv "$W/v"
"$W/v/bin/pip" install -q pymilvus==3.0.2
cat > "$W/check.py" <<'P'
import sys, time
from pymilvus import DataType
from pymilvus.client.entity_helper import entity_to_str_arr, pack_field_value_to_field_data
from pymilvus.exceptions import ParamError
from pymilvus.grpc_gen import schema_pb2
class Whole(str):
    def __iter__(self):
        return iter((str(self),))
field = {"name": "t", "type": DataType.VARCHAR, "params": {"max_length": 10}}
def packed(text):
    data = schema_pb2.FieldData(type=DataType.VARCHAR, field_name="t")
    pack_field_value_to_field_data(text, data, field, {})
    return list(data.scalars.string_data.data)
def is_accepted(action):
    try:
        action()
        return True
    except ParamError:
        return False
def seconds(text):
    start = time.process_time()
    for _ in range(100):
        packed(text)
    return time.process_time() - start
text = "x" * 60_000
assert packed(text) == [text]
in_a_row, in_a_column = is_accepted(lambda: packed(text)), is_accepted(lambda: entity_to_str_arr([text], field))
print(f"a text of {len(text)} letters in a row, at most 10 allowed: {'accepted' if in_a_row else 'refused'}")
print(f"the same as a column: {'accepted' if in_a_column else 'refused'}")
field["params"]["max_length"] = 65_535
slow, quick = seconds(text), seconds(Whole(text))
print(f"100 rows: {slow:.3f} s; as texts of one element: {quick:.3f} s")
sys.exit(not (in_a_row and not in_a_column and slow > 5 * quick))
P
"$W/v/bin/python" "$W/check.py"
