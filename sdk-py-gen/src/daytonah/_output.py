"""Output of one process as it comes: numbered bytes become events, and a result at the end. No I/O."""

from __future__ import annotations

import codecs

from ._from_wire import process_exit_of, stream_name_of
from ._gen.daytonah.v1 import process_pb
from .process_models import ExecResult, OutputEvent, StreamName


class OutputReader:
    """Knows which bytes came. What a repeated stream brings again is dropped, what is missing is counted."""

    def __init__(self, max_output_bytes: int, offset: int | None = None) -> None:
        self._max = max_output_bytes
        self._kept: dict[StreamName, bytearray] = {}
        self._decoders: dict[StreamName, codecs.IncrementalDecoder] = {}
        self._truncated = False
        self.offset = offset
        """Where to go on; None where that is not known yet."""
        self.lost_bytes = 0

    def on_started(self, started: process_pb.ProcessStarted) -> None:
        self._skip_to(started.first_offset)

    def on_output(self, output: process_pb.ProcessOutput) -> OutputEvent | None:
        """None where all of it came before."""
        self._skip_to(output.offset)
        assert self.offset is not None
        data = output.data[self.offset - output.offset :]
        if not data:
            return None
        stream = stream_name_of(output.stream)
        event = OutputEvent(stream, data, self._decoder(stream).decode(data), self.offset)
        self.offset += len(data)
        self._keep(stream, data)
        return event

    def rest(self) -> list[OutputEvent]:
        """At the end: what the decoders still hold of characters that were never completed."""
        held = [(stream, decoder.decode(b"", final=True)) for stream, decoder in self._decoders.items()]
        return [OutputEvent(stream, b"", text, self.offset or 0) for stream, text in held if text]

    def result(self, exited: process_pb.ProcessExited) -> ExecResult:
        stdout = bytes(self._kept.get("stdout", b"") or self._kept.get("pty", b""))
        stderr = bytes(self._kept.get("stderr", b""))
        return ExecResult(
            **vars(process_exit_of(exited)),
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
            stdout_bytes=stdout,
            stderr_bytes=stderr,
            truncated=self._truncated or self.lost_bytes > 0,
            lost_bytes=self.lost_bytes,
        )

    def _skip_to(self, offset: int) -> None:
        if self.offset is None:
            self.offset = offset
        elif offset > self.offset:
            self.lost_bytes += offset - self.offset
            self.offset = offset

    def _keep(self, stream: StreamName, data: bytes) -> None:
        kept = self._kept.setdefault(stream, bytearray())
        room = self._max - len(kept)
        kept += data[:room] if room > 0 else b""
        self._truncated = self._truncated or len(data) > room

    def _decoder(self, stream: StreamName) -> codecs.IncrementalDecoder:
        if stream not in self._decoders:
            self._decoders[stream] = codecs.getincrementaldecoder("utf-8")(errors="replace")
        return self._decoders[stream]
