# Made from ../_async by make_sync.py. Not edited.
"""Whole files in and out, of any size, over plain HTTP. What a broken connection cut off is gone on with."""

from __future__ import annotations

from collections.abc import Generator

from .._exec_request import random_id
from .._gen.daytonah.v1 import file_pb
from ..errors import ConflictError, InvalidArgumentError
from ..file_models import ByteSource
from .data_plane import DataPlane
from .http_request import http_request, whole_of
from .pieces import Piece, pieces_of
from .resuming import Progress, first_of, resuming
from .way import Way

_PIECE_BYTES = 8 * 1024 * 1024
"""One is kept until the sandbox has it."""
_MAX_CALL_BYTES = 1024 * 1024
"""What one call may carry."""


def read_file(
    plane: DataPlane, path: str, user: str, offset: int, length: int | None
) -> Generator[bytes, None]:
    received = 0
    version: str | None = None

    def attempt(way: Way, progress: Progress) -> Generator[bytes, None]:
        nonlocal received, version
        if length is not None and received >= length:
            return
        # Asking for a range, even of everything, keeps the bytes as they are: compressed ones could not be gone on with.
        headers = {"range": f"bytes={offset + received}-{'' if length is None else offset + length - 1}"}
        if version is not None:
            headers["if-range"] = version
        query = {"path": path, "user": user or None}
        try:
            with http_request(plane, way, "GET", "files", query, headers=headers) as answer:
                if version is not None and answer.status != 206:
                    raise _changed(path)
                version = version or answer.headers.get("etag")
                for chunk in answer.content:
                    progress()
                    received += len(chunk)
                    yield bytes(chunk)
        except InvalidArgumentError as error:
            # An empty file has no first byte; there is nothing to read, and that is no error.
            if error.reason != "RANGE_INVALID":
                raise

    return resuming(plane, attempt)


def write_file(
    plane: DataPlane, path: str, content: ByteSource, mode: int, user: str
) -> file_pb.FileInfo | None:
    """Little content goes in one call, more in the pieces of one upload. Either way the path changes at once and whole."""
    upload_id = random_id()
    info: file_pb.FileInfo | None = None
    for piece in pieces_of(content, _PIECE_BYTES):
        if piece.offset == 0 and piece.last and len(piece.data) <= _MAX_CALL_BYTES:
            # Writing the same whole file again changes nothing.
            request = file_pb.WriteFileRequest(path=path, data=piece.data, mode=mode, user=user)
            info = (plane.unary(lambda way: way.files.write_file, request, repeatable=True)).info
        else:
            query = {"path": path, "user": user or None, "mode": f"{mode:o}" if mode else None, "upload_id": upload_id}
            info = first_of(_upload(plane, query, piece))
        del piece  # before the next one is put together
    return info


def _upload(
    plane: DataPlane, query: dict[str, str | None], piece: Piece
) -> Generator[file_pb.FileInfo | None, None]:
    """One piece; where its connection broke, what the sandbox has not got yet. Only the last one is answered with the file."""
    end = piece.offset + len(piece.data)
    reached: int | None = None

    def attempt(way: Way, progress: Progress) -> Generator[file_pb.FileInfo | None, None]:
        nonlocal reached
        if reached is None:
            reached = piece.offset
        else:
            with http_request(plane, way, "HEAD", "files", query) as answer:
                has = min(max(int(answer.headers.get("upload-offset") or 0), piece.offset), end)
            if has > reached:
                progress()
            reached = has
        if reached == end and not piece.last:
            yield None
            return
        headers = {"upload-offset": str(reached), "upload-complete": "?1" if piece.last else "?0"}
        content = piece.data[reached - piece.offset :]
        with http_request(plane, way, "PUT", "files", query, headers=headers, content=content) as answer:
            said = whole_of(answer)
        yield file_pb.FileInfo.from_json(said, ignore_unknown_fields=True) if said else None

    return resuming(plane, attempt)


def _changed(path: str) -> ConflictError:
    return ConflictError(
        f"{path} was changed while it was read.", code="aborted", reason="FILE_CHANGED", next_step="Read it again."
    )
