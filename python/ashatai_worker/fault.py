"""Failures that a caller is told, by the codes of the server."""

from __future__ import annotations


class Fault(Exception):
    """A failure with a code, and a sentence that is safe to show: what happened, where, and what to do."""

    def __init__(self, code: str, message: str, param: str = "", overflow: dict[str, int] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.overflow = overflow


class Broken(Exception):
    """The other side broke the protocol."""


def invalid(param: str, message: str) -> Fault:
    """The caller must change the request."""
    return Fault("invalid_request", message, param)


def too_long(param: str, what: str, prompt: int, context: int, answer: int) -> Fault:
    """A prompt of so many tokens does not fit the context, of which the answer has a part. The words are those of core.TooLong."""
    room = f", of which {answer} is kept for the answer" if answer else ""
    return Fault(
        "context_length_exceeded",
        f"This model's maximum context length is {context} tokens{room}. However, {what} resulted in {prompt} tokens. Shorten it, or load the model with a larger context where it has one.",
        param, {"prompt": prompt, "context": context, "answer": answer},
    )


def unsupported(message: str) -> Fault:
    """Understood, but this model or runtime cannot do it."""
    return Fault("unsupported", message)


def bad_model(message: str) -> Fault:
    """The model's files are broken, foreign or refused."""
    return Fault("bad_model", message)


def broken_environment(error: BaseException) -> Fault:
    """The packages beside this program cannot be used."""
    return Fault("unavailable", f"PyTorch's environment is broken: {str(error)[:200] or type(error).__name__}. Remove its folder and run `ashatai runtime install pytorch`.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory did not suffice, however the library says it."""
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error).lower()
