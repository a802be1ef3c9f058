"""docs/operators.md against ONNX's own schemas: operators that exist, in opsets that have them."""

import re

import pytest
from onnx import defs
from command import ROOT

ROWS = re.findall(r"^\| (\w+) \| ai\.onnx \| (\d+)-(\d+) \| ([^|]+) \|", (ROOT / "docs/operators.md").read_text(), re.M)
NOT_IN_ONNX = {"SimplifiedLayerNormalization"}  # ONNX Runtime keeps it in the default domain


def schemas():
    found = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            found.setdefault(schema.name, []).append(schema)
    return found


@pytest.mark.parametrize("name,first,last,types", [r for r in ROWS if r[0] not in NOT_IN_ONNX])
def test_row(name, first, last, types):
    versions = schemas()[name]
    assert min(s.since_version for s in versions) <= int(first) <= int(last) <= defs.onnx_opset_version()
    known = {t for s in versions for c in s.type_constraints for t in c.allowed_type_strs}
    assert {f"tensor({t.strip()})" for t in types.split(",")} <= known


def test_rows_were_found():
    assert len(ROWS) > 50
