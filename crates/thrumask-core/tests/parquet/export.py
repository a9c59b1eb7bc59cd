"""Small manifests as pyarrow writes them, and what is in them as JSON lines (pyarrow 26)."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
ROWS = [
    {
        "path": f"videos/{i // 3}/clip {i}.mp4",
        "caption": None if i % 5 == 4 else f"Ein Bär läuft, zum {i % 4}. Mal – 熊.",
        "masks": f"masks/{i}.json" if i % 7 == 0 else None,
    }
    for i in range(40)
]


def table(kind, **names):
    columns = {}
    for name in ("path", "caption", "masks"):
        values = pa.array([row[name] for row in ROWS], pa.string())
        columns[names.get(name, name)] = values.dictionary_encode() if kind is None else values.cast(kind)
    # What a manifest may hold besides.
    columns["seconds"] = pa.array([i / 8 for i in range(len(ROWS))], pa.float32())
    columns["embedding"] = pa.array([[i, i + 1] for i in range(len(ROWS))], pa.list_(pa.int64()))
    return pa.table(columns)


def write(name, made, **options):
    pq.write_table(made, HERE / f"{name}.parquet", **options)


write("snappy", table(pa.string()), compression="snappy", row_group_size=16)
write("large-gzip", table(pa.large_string(), caption="text"), compression="gzip")
write("dictionary-zstd", table(None, path="file_name"), compression="zstd", row_group_size=7)
plain = {"use_dictionary": False, "compression": "none", "data_page_version": "2.0"}
write("plain", table(pa.string_view(), path="video"), **plain)
delta = {name: "DELTA_BYTE_ARRAY" for name in ("path", "caption", "masks")}
write("delta", table(pa.binary()), column_encoding=delta, data_page_size=256, **plain)

one = ["a.mp4"]
write("number", pa.table({"path": pa.array([7], pa.int64())}))
write("list", pa.table({"path": one, "caption": pa.array([["A", "B"]], pa.list_(pa.string()))}))
write("bytes", pa.table({"path": pa.array([b"a\xff.mp4"], pa.binary())}))
write("lz4", pa.table({"path": one}), compression="lz4")
write("none", pa.table({"url": one, "size": pa.array([1], pa.int64())}))
lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in ROWS]
(HERE / "rows.jsonl").write_text("\n".join(lines) + "\n")
