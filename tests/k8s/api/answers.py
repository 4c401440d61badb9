"""``Status`` objects: what the API server says when it refuses."""

from __future__ import annotations

from typing import Any

from aiohttp import web

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "AlreadyExists",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Refusal(Exception):  # noqa: N818  (an answer, not an error of the server's)
    """Ends the handling of a request with a Status."""

    def __init__(self, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = failure(code, message, **details)
        self.code = code


def failure(code: int, message: str, **details: Any) -> dict[str, Any]:
    """A Status that says no."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": REASONS[code],
        "code": code,
    }
    if details:
        status["details"] = details
    return status


def not_found(resource: str, group: str, name: str) -> Refusal:
    """404 as it is worded: ``deployments.apps "painter" not found``."""
    qualified = f"{resource}.{group}" if group else resource
    details = {"name": name, "kind": resource} | ({"group": group} if group else {})
    return Refusal(404, f'{qualified} "{name}" not found', **details)


def forbidden(user: str, verb: str, resource: str, group: str, namespace: str, name: str) -> Refusal:
    """403 as it is worded; sub-resources count to the resource."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    kind, _, _ = resource.partition("/")
    qualified = f"{kind}.{group}" if group else kind
    subject = f'{qualified} "{name}"' if name else qualified
    return Refusal(
        403,
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}',
        name=name,
        kind=kind,
        group=group,
    )


@web.middleware
async def statuses(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turn refusals into answers, and unknown paths into the server's plain 404."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return web.json_response(refusal.status, status=refusal.code)
    except web.HTTPNotFound:
        return web.Response(text="404 page not found\n", status=404)
    except web.HTTPMethodNotAllowed:
        return web.json_response(
            failure(405, "the server does not allow this method on the requested resource"), status=405
        )
