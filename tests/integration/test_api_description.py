"""Every request that we make is one that the published description of the MESH API allows."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.steps.poll import Taken
from gpconnect_messaging.steps.send import PostponedError
from tests.examples import spec_file
from tests.fakes.product import WORKFLOW
from tests.integration.test_transport import LONG, SHORT, respond
from tests.local_mesh import PRACTICE, SENDER, LocalMesh, ProductOnMesh, local_mesh

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openapi_core") is None, reason="openapi-core is not in this environment: make setup"
)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LocalMesh]:
    with local_mesh(tmp_path) as running:
        running.control("PUT", "behaviour", {"smallest_middle_chunk_bytes": 0})
        yield running


@pytest.fixture(scope="module")
def description() -> Any:
    from openapi_core import OpenAPI

    return OpenAPI.from_file_path(str(spec_file("mesh/mesh-api.yaml")))


class Recorded:
    """A request that the local MESH recorded, as the validator takes it."""

    def __init__(self, recorded: dict[str, Any], **changes: str) -> None:
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        headers = {**dict(recorded["headers"]), **changes}
        self.host_url = "https://mesh-sync.spineservices.nhs.uk"
        self.path = recorded["path"]
        self.method = recorded["method"].lower()
        self.content_type = headers.get("content-type", "application/octet-stream")
        self.body = b"-" * min(recorded["body_bytes"], 1) or None
        query = ImmutableMultiDict(parse_qsl(recorded["query"], keep_blank_values=True))
        self.parameters = RequestParameters(query=query, header=Headers({k: v for k, v in headers.items() if v}))


def a_full_run(mesh: LocalMesh) -> list[dict[str, Any]]:
    """Everything that the product asks of MESH: short and long messages, lost answers, refusals, full inboxes."""
    product = ProductOnMesh(mesh.url)
    for size in (SHORT, LONG):
        message_id = product.build(size)
        assert product.sender.send(message_id) is Status.SENT
        respond(mesh, message_id, "20013", "30001")
    interrupted = product.build(LONG)
    with pytest.raises(PostponedError):
        product.sender.send(interrupted, lambda: False)
    mesh.next_fault("cut_after", "chunk", skip=2)
    assert product.sender.send(interrupted) is Status.SENT
    assert product.polls(SENDER)[Taken.MATCHED] == 4
    assert product.connections.endpoint_lookup(SENDER, "A20047", WORKFLOW).mailboxes
    client = product.connections.to(SENDER)
    client.count()
    client.workflow_search(WORKFLOW)
    list(client.inbox(page_size=10, workflow_filter=f"{WORKFLOW}*"))
    with mesh.client(PRACTICE) as practice:
        for waiting in practice.inbox(page_size=10):
            practice.head(waiting)
            practice.download(waiting)
            practice.acknowledge(waiting)
    product.connections.close()
    return mesh.requests()


def test_every_request_of_a_full_run_is_valid_against_the_published_description(
    mesh: LocalMesh, description: Any
) -> None:
    requests = a_full_run(mesh)
    kinds = {request["kind"] for request in requests}
    assert kinds == {
        "handshake", "send", "chunk", "tracking", "inbox", "count", "download", "download_chunk", "head",
        "acknowledge", "lookup",
    }  # fmt: skip
    for request in requests:
        description.validate_request(Recorded(request))


def test_a_request_that_breaks_the_description_would_be_seen(mesh: LocalMesh, description: Any) -> None:
    from openapi_core.exceptions import OpenAPIError

    product = ProductOnMesh(mesh.url)
    product.sender.send(product.build(SHORT))
    product.connections.close()
    (sent,) = mesh.requests(kind="send")
    description.validate_request(Recorded(sent))
    for changes in ({"mex-to": "T" * 101}, {"authorization": ""}, {"mex-subject": "S" * 501}):
        with pytest.raises(OpenAPIError):
            description.validate_request(Recorded(sent, **changes))
    with pytest.raises(OpenAPIError):
        description.validate_request(Recorded({**sent, "path": sent["path"] + "/nowhere"}))
