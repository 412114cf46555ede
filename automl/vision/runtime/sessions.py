"""Graphs opened by an engine: OpenVINO where it is installed, ONNX Runtime otherwise. Both read the same file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from automl.vision.engines import AUTO, BF16, FP32, ONNX_RUNTIME, OPENVINO, Choice
from automl.vision.errors import DataError, UsageError

log = logging.getLogger(__name__)

Array = NDArray[Any]


class Session(Protocol):
    """A graph that one engine opened: the arithmetic that it got (fp32 or bf16), the metadata of its file, the names of
    its outputs, and the only batch that it takes (None: any). Several threads may run it."""

    engine: str
    precision: str
    metadata: dict[str, str]
    outputs: list[str]
    batch: int | None

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """All outputs by name."""


def opened(path: Path, choice: Choice, threads: int | None) -> Session:
    """The graph at `path`, on `threads` threads (None: as many as the engine likes). With `auto`, a graph that OpenVINO
    cannot compile is ONNX Runtime's, and the log says so. DataError where no engine opens it, UsageError where the one
    that was chosen is not installed."""
    engines = _usable(choice)
    for at, engine in enumerate(engines, start=1):
        try:
            session = _SESSIONS[engine](path, choice, threads)
        except Exception as error:  # the errors of engines have no common class
            reason = " ".join(str(error).split())[:200]
            if at == len(engines):
                raise DataError(f"{path} is no ONNX graph that can be opened: {reason}") from error
            log.warning("%s: %s cannot compute it, %s does. (%s)", path.name, engine, engines[at], reason)
        else:
            log.info("%s: %s computes it in %s.", path.name, session.engine, session.precision)
            return session
    raise AssertionError("unreachable")  # there is at least one engine


def _usable(choice: Choice) -> list[str]:
    """The engines to try, in this order; never none."""
    wanted = [choice.engine] if choice.engine != AUTO else [OPENVINO, ONNX_RUNTIME]
    if choice.precision == BF16:
        wanted = [OPENVINO]
    found = [engine for engine in wanted if find_spec(engine) is not None]
    if found:
        return found
    if len(wanted) == 1:
        what = "bf16" if choice.engine == AUTO else f"The engine {wanted[0]}"
        raise UsageError(
            f"{what} needs the package {wanted[0]}, which is not installed.",
            f"Install it (pip install {wanted[0]}), or choose another engine or precision.",
        )
    raise UsageError("No engine that computes graphs is installed.", f"Install one: pip install {ONNX_RUNTIME}.")


class _OnnxRuntime:
    def __init__(self, path: Path, choice: Choice, threads: int | None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that wait sleep, and take small parts: beside other work (decoding, other servers) or with a quota the
        # defaults burn twice the processor time and answer later (docs/performance.md).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.intra_op.dynamic_block_base", "4")
        if threads is not None:
            options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.engine, self.precision = ONNX_RUNTIME, FP32
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.outputs = [output.name for output in self._session.get_outputs()]
        size = self._session.get_inputs()[0].shape[0]
        self.batch: int | None = size if isinstance(size, int) else None

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        return dict(zip(self.outputs, self._session.run(self.outputs, inputs), strict=True))


class _OpenVino:
    def __init__(self, path: Path, choice: Choice, threads: int | None) -> None:
        _silence_openvino()
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        self.engine = OPENVINO
        self.metadata = _metadata(model)
        self.outputs = [output.get_any_name() for output in model.outputs]
        size = model.inputs[0].get_partial_shape()[0]
        self.batch: int | None = size.get_length() if size.is_static else None
        self._compiled = core.compile_model(model, "CPU", _properties(choice, threads))
        taken = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = {"f32": FP32}.get(taken, taken)  # a processor without bf16 takes f32 all the same
        # A request is for one run at a time; they are lent, and more are made when all are out.
        self._idle: list[Any] = []

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            given = request.infer(inputs, share_inputs=True)
            return {name: given[at] for at, name in enumerate(self.outputs)}
        finally:
            self._idle.append(request)


def _silence_openvino() -> None:
    """Importing openvino imports openvino_telemetry, which writes an identifier into the home folder and tells Google
    Analytics. Where that package is missing openvino does without; so it is made to be missing."""
    missing: Any = None  # to Python, a package whose import fails
    sys.modules.setdefault("openvino_telemetry", missing)


def _properties(choice: Choice, threads: int | None) -> dict[str, Any]:
    """Threads are not tied to cores: two servers on one machine would be tied to the same ones."""
    found: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": choice.at_once, "ENABLE_CPU_PINNING": False}
    if threads is not None:
        found["INFERENCE_NUM_THREADS"] = threads * choice.at_once
    if choice.precision != AUTO:
        found["INFERENCE_PRECISION_HINT"] = "f32" if choice.precision == FP32 else "bf16"
    return found


def _metadata(model: Any) -> dict[str, str]:
    """The metadata of the ONNX file, which OpenVINO keeps under the name `framework`."""
    if not model.has_rt_info("framework"):
        return {}
    return {name: str(value) for name, value in model.get_rt_info("framework").value.items()}


_SESSIONS: Final[dict[str, Callable[[Path, Choice, int | None], Session]]] = {
    ONNX_RUNTIME: _OnnxRuntime,
    OPENVINO: _OpenVino,
}
