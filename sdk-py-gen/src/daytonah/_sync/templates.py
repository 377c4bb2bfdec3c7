# Made from ../_async by make_sync.py. Not edited.
"""What sandboxes start from."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from .._exec_request import random_id
from .._gen.daytonah.v1 import template_pb
from .._options import LIFE_TIMEOUT
from .._platform_wire import template_of
from ..platform_models import Template
from .connection import Connection
from .pages import pages


class Templates:
    """The templates that can be used; at `client.templates`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Generator[Template, None]:
        """The platform's templates and yours, by name. Needs scope `sandboxes:read`."""

        def fetch(token: str) -> tuple[Sequence[Template], str]:
            request = template_pb.ListTemplatesRequest(page_token=token)
            answer = self._connection.unary(self._connection.templates.list_templates, request, repeatable=True)
            return [*map(template_of, answer.templates)], answer.next_page_token

        return pages(fetch)

    def create(
        self, name: str, sandbox_id: str, *, description: str = "", timeout: float = LIFE_TIMEOUT
    ) -> Template:
        """Keeps memory and disk of a running or paused sandbox under a name: `Sandbox.create(name)` then goes on where it was, as
        another machine, without a boot. A template of yours with that name is given the new content.

        ```python
        sandbox.exec("pip install numpy", check=True)
        client.templates.create("numpy", sandbox.id)
        ```

        Args:
            name: 1 to 63 of [a-z0-9._-]; none of the platform's own, which raises a ConflictError.
            description: What is in it, one sentence.
            timeout: Longest wait, seconds.

        Needs scope `sandboxes:write`.
        """
        request = template_pb.CreateTemplateRequest(
            name=name, sandbox_id=sandbox_id, description=description, idempotency_key=random_id()
        )
        call = self._connection.templates.create_template
        answer = self._connection.unary(call, request, repeatable=True, timeout=timeout)
        return template_of(answer.template)

    def delete(self, name: str) -> None:
        """Deletes a template of yours; sandboxes made of it stay whole. Raises a NotFoundError where there is none. Needs scope
        `sandboxes:write`."""
        request = template_pb.DeleteTemplateRequest(name=name)
        self._connection.unary(self._connection.templates.delete_template, request, repeatable=False)
