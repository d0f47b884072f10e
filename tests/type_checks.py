"""Annotations as checks while the tests run, at a fraction of the cost of jaxtyping's own decorator.

pytest's `--jaxtyping-packages` puts `@jaxtyping.jaxtyped(typechecker=...)` on every function and dataclass of the
package. Ours takes its place: one beartype wrapper each, and a scope for the letters of shapes only where an annotation
has any. Jaxtyping's compiles four functions for one and binds the arguments anew at every call.
"""

import dataclasses
import functools
import inspect
from typing import Any, get_args

import jaxtyping
from jaxtyping import AbstractArray

_jaxtyped = jaxtyping.jaxtyped


def install() -> None:
    """Let the import hook, which looks the decorator up by name, find ours."""
    jaxtyping.jaxtyped = checked


def checked(fn: Any = None, *, typechecker: Any) -> Any:
    """A function or dataclass whose arguments and result are checked at every call."""
    if fn is None:
        return functools.partial(checked, typechecker=typechecker)
    if inspect.isclass(fn):
        if dataclasses.is_dataclass(fn) and "__init__" in vars(fn):
            fn.__init__ = checked(fn.__init__, typechecker=typechecker)
        return fn
    if isinstance(fn, classmethod | staticmethod):
        return type(fn)(checked(fn.__func__, typechecker=typechecker))
    if isinstance(fn, property):
        return property(*(part and checked(part, typechecker=typechecker) for part in (fn.fget, fn.fset, fn.fdel)))
    annotations = [*getattr(fn, "__annotations__", {}).values()]
    has_shape = any(map(_has_shape, annotations))
    if any(isinstance(each, str) for each in annotations) or (has_shape and inspect.isgeneratorfunction(fn)):
        return _jaxtyped(fn, typechecker=typechecker)  # it makes types of text, and looks at arguments before they run
    typed = typechecker(fn)
    if not has_shape:
        return typed

    @functools.wraps(fn)
    def scoped(*args, **kwargs):
        with _jaxtyped("context"):
            return typed(*args, **kwargs)

    return scoped


def _has_shape(annotation: Any) -> bool:
    if inspect.isclass(annotation) and issubclass(annotation, AbstractArray):
        return True
    return any(map(_has_shape, get_args(annotation)))
