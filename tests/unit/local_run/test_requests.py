"""A dropped folder is one request: `request.json`, in any letter case, and the files beside it."""

from pathlib import Path
from typing import Any

import pytest

from gpcm.dropping import RequestMissingError, drop_folder, request_of
from tests.fakes.s3 import Bucket
from tests.identifiers import IDENTIFIERS


@pytest.mark.parametrize(
    ("files", "request_file"),
    [
        (("request.json", "test-request.json", "report.pdf"), "request.json"),
        (("REQUEST.JSON", "more/referral-request.json"), "REQUEST.JSON"),
        (("test-request.json",), None),
        (("more/request.json",), None),
        (("request.json", "more/Request.json"), None),
        (("request.json", "Request.json"), None),
    ],
)
def test_what_is_dropped_of_a_folder_makes_one_request(
    tmp_path: Path, files: tuple[str, ...], request_file: str | None
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found, bucket = request_of(tmp_path), Bucket()
    session: Any = type("Session", (), {"client": lambda _self, _name: bucket})()
    if request_file is None:
        assert found is None
        with pytest.raises(RequestMissingError):
            drop_folder(session, "drop", tmp_path, identifiers=IDENTIFIERS)
        return
    assert found == tmp_path / request_file
    dropped = drop_folder(session, "drop", tmp_path, identifiers=IDENTIFIERS)
    folder = dropped.key.removesuffix("request.json")
    assert set(bucket.objects) == {folder + name for name in files if name != request_file} | {dropped.key}
    assert bucket.objects[dropped.key] == request_file.encode()
