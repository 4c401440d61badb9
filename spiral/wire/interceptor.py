"""Turns a servicer's errors into statuses, and counts the calls in progress."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from spiral.wire.error_details import fit

logger = logging.getLogger(__name__)

Servicing = Callable[[Any, grpc.ServicerContext], Any]


class StatusError(Exception):
    """Ends a call with this status; a servicer may raise it anywhere."""

    def __init__(self, code: grpc.StatusCode, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_ms = retry_after_ms


class StatusInterceptor(grpc.ServerInterceptor):
    """ValueError becomes INVALID_ARGUMENT with its sentence, StatusError its status, anything else INTERNAL.

    A long sentence is cut so that the status arrives.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the method of one call; health and reflection set their own statuses and are left alone."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith("/grpc."):
            return handler
        rest = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            if handler.request_streaming:
                return grpc.stream_stream_rpc_method_handler(self._streaming(handler.stream_stream), **rest)
            return grpc.unary_stream_rpc_method_handler(self._streaming(handler.unary_stream), **rest)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._single(handler.stream_unary), **rest)
        return grpc.unary_unary_rpc_method_handler(self._single(handler.unary_unary), **rest)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no call is in progress; False if some still are after ``timeout_s`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._under_way == 0, timeout_s)

    def _single(self, method: Any) -> Servicing:
        def guarded(request: Any, context: grpc.ServicerContext) -> Any:
            with self._counted(), _statuses(context):
                return method(request, context)

        return guarded

    def _streaming(self, method: Any) -> Servicing:
        def guarded(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._counted(), _statuses(context):
                yield from method(request, context)

        return guarded

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()


@contextmanager
def _statuses(context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except StatusError as error:
        if error.retry_after_ms is not None:
            context.set_trailing_metadata((("grpc-retry-pushback-ms", str(error.retry_after_ms)),))
        context.abort(error.code, fit(str(error)))
    except ValueError as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, fit(str(error)))
    except grpc.RpcError:
        # The client is gone: its requests end like this, and nobody is left to answer.
        raise
    except Exception as error:
        if context.code() is not None:  # type: ignore[attr-defined]  # the method has called context.abort
            raise
        logger.exception("a call failed")
        context.abort(grpc.StatusCode.INTERNAL, fit(f"{type(error).__name__}: {error}"))
