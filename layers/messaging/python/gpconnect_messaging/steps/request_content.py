"""Finds, opens and reads the files that a request names."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gpconnect_messaging.assembly import included_resources
from gpconnect_messaging.documents.gate import DocumentGate
from gpconnect_messaging.documents.opened import OpenedFile
from gpconnect_messaging.itk3.supplied import LARGEST_RESOURCE, Supplied
from gpconnect_messaging.requests.models import Request
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.sizes import in_megabytes
from gpconnect_messaging.steps.named_files import FileFinder, NamingRequest
from gpconnect_messaging.storage import DropBucket, DropFile, NotThereError


@dataclass(frozen=True, slots=True)
class RequestContent:
    """The documents (primary first) and the ready resources that a request names, with their versions in S3."""

    documents: tuple[OpenedFile, ...]
    ready: tuple[DropFile, ...]
    supplied: tuple[Supplied, ...]
    digests: tuple[str, ...]
    """SHA-256 (hex) of the files, in the order of `versions`."""

    @property
    def versions(self) -> tuple[str, ...]:
        """S3's versions of the files, the documents first."""
        return tuple(file.version for file in (*self.documents, *self.ready))


@dataclass(frozen=True, kw_only=True)
class ContentReader:
    """Reads the files of requests."""

    drop: DropBucket
    files: FileFinder
    gate: DocumentGate

    def read(self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest) -> RequestContent:
        """Find and read the files that the request names, in the claimed versions if there are any.

        Raises RequestRefusedError; NotReadyError.
        """
        documents = self._documents(request, claimed, naming)
        ready = self._ready_resources(request, claimed, naming)
        digests = [document.sha256 for document in documents]
        supplied = tuple(included_resources(request, self._raw_resources(request, ready, digests)))
        return RequestContent(tuple(documents), tuple(ready.values()), supplied, tuple(digests))

    def _documents(self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest) -> list[OpenedFile]:
        """Find and open the documents, primary first. Raises GateUnavailableError."""
        order = [request.documents.index(document) for document in request.documents_in_order]
        versions = claimed[: len(order)] if claimed is not None else [None] * len(order)
        files: list[OpenedFile] = []
        reasons: dict[int, Sequence[Reason]] = {}
        for index, version in zip(order, versions, strict=True):
            document = request.documents[index]
            try:
                file = self.files.find(document.key, version, f"documents[{index}]", naming)
                sha256 = hashlib.sha256()
                verdict = self.gate.examine(document.content_type, _hashed(self.drop.chunks(file), sha256))
                if verdict.refusal:
                    raise RequestRefusedError.because(f"documents[{index}]", verdict.refusal)
                files.append(OpenedFile.of(file, verdict, sha256.hexdigest()))
            except NotThereError:
                reasons[index] = [Reason(f"documents[{index}].key", "was removed before it could be read")]
            except RequestRefusedError as refused:
                reasons[index] = refused.reasons
        if reasons:  # in the order of the request, and not of the message
            raise RequestRefusedError([reason for index in sorted(reasons) for reason in reasons[index]])
        return files

    def _ready_resources(
        self, request: Request, claimed: tuple[str, ...] | None, naming: NamingRequest
    ) -> dict[int, DropFile]:
        """Find the files of the ready resources, by their index in the request."""
        keys = {index: resource.key for index, resource in enumerate(request.resources) if resource.key is not None}
        versions = claimed[len(request.documents) :] if claimed is not None else [None] * len(keys)
        files: dict[int, DropFile] = {}
        for (index, key), version in zip(keys.items(), versions, strict=True):
            files[index] = self.files.find(key, version, f"resources[{index}]", naming)
        return files

    def _raw_resources(
        self, request: Request, files: dict[int, DropFile], digests: list[str]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the ready resources with their index in the request; add the files' SHA-256 (hex) to `digests`."""
        for index, resource in enumerate(request.resources):
            raw = files[index].content if resource.content is None else resource.content.encode()
            if raw is None or len(raw) > LARGEST_RESOURCE:  # a file that was found short was read then
                raise RequestRefusedError.because(
                    f"resources[{index}]", f"is larger than {in_megabytes(LARGEST_RESOURCE)}"
                )
            if index in files:
                digests.append(hashlib.sha256(raw).hexdigest())
            yield index, raw


def _hashed(chunks: Iterable[bytes], into: "hashlib._Hash") -> Iterator[bytes]:
    """Pass chunks on and hash them, so that they are read once."""
    for chunk in chunks:
        into.update(chunk)
        yield chunk
