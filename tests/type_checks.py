"""Annotations as checks while the tests run, at a fraction of the cost of jaxtyping's own decorator.

pytest's `--jaxtyping-packages` puts `@jaxtyping.jaxtyped(typechecker=...)` on every function and dataclass of the
package. Ours takes its place: one beartype wrapper each, and a scope for the letters of shapes only where an annotation
has any. Jaxtyping's compiles four functions for one and binds the arguments anew at every call.

So is an array looked at: where its annotation is letters and numbers alone, and fits, `_is_of` says so in half of
the time. All else, and all refusals, are jaxtyping's.
"""

import dataclasses
import functools
import inspect
from typing import Any, get_args

import jaxtyping
from jaxtyping import AbstractArray
from jaxtyping._array_types import _anonymous_dim, _anonymous_variadic_dim, _FixedDim, _MetaAbstractArray, _NamedDim
from jaxtyping._storage import get_shape_memo, pop_shape_memo, push_shape_memo

_jaxtyped = jaxtyping.jaxtyped
ANY_REST = "..."
_slowly_is_of = _MetaAbstractArray.__instancecheck__
_plain: dict[type, tuple[tuple[str | int | None, ...] | None, str, set[object]]] = {}
"""Annotation -> its letters and numbers, where it is plain, what its last axes are called, the dtypes found to fit."""


def install() -> None:
    """Let the import hook, which looks the decorator up by name, find ours."""
    jaxtyping.jaxtyped = checked
    _MetaAbstractArray.__instancecheck__ = _is_of


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
        push_shape_memo({})
        try:
            return typed(*args, **kwargs)
        finally:
            pop_shape_memo()

    return scoped


def _is_of(annotation: type, value: Any) -> bool:
    """Whether an array has the dtype and the shape of its annotation, in the letters of the innermost scope."""
    wanted, rest, dtypes = _plain.get(annotation) or _plain.setdefault(annotation, (*_plain_sizes(annotation), set()))
    if wanted is None:
        return _slowly_is_of(annotation, value)
    if not isinstance(value, annotation.array_type):
        return False
    n, shape = len(wanted), value.shape
    if value.dtype in dtypes and (len(shape) >= n if rest else len(shape) == n):
        known, known_rests, _, _ = get_shape_memo()
        found = {}
        for name, size in zip(wanted, shape, strict=False):
            if isinstance(name, str):
                name = known[name] if name in known else found.setdefault(name, size)
            if name is not None and name != size:
                break
        else:
            last = (False, shape[n:])  # as jaxtyping keeps them: that they cannot be broadcast, and their sizes
            if rest in ("", ANY_REST) or known_rests.setdefault(rest, last) == last:
                known.update(found)
                return True
    is_of = _slowly_is_of(annotation, value)
    if is_of:
        dtypes.add(value.dtype)
    return is_of


def _plain_sizes(annotation: Any) -> tuple[tuple[str | int | None, ...] | None, str]:
    """A name, a number or None for each dimension, and the name of any number that follow; None if any is else."""
    if annotation is AbstractArray or annotation.array_type is Any:
        return None, ""
    dims, rest = annotation.dims, ""
    if annotation.index_variadic is not None:
        *dims, last = dims
        if annotation.index_variadic != len(dims) or getattr(last, "broadcastable", False):
            return None, ""
        rest = ANY_REST if last is _anonymous_variadic_dim else last.name
        if not rest or getattr(last, "treepath", False):
            return None, ""
    sizes: list[str | int | None] = []
    for dim in dims:
        if dim is _anonymous_dim:
            sizes.append(None)
        elif isinstance(dim, _FixedDim) and not dim.broadcastable:
            sizes.append(dim.size)
        elif isinstance(dim, _NamedDim) and not dim.broadcastable and not dim.treepath:
            sizes.append(dim.name)
        else:
            return None, ""
    return tuple(sizes), rest


def _has_shape(annotation: Any) -> bool:
    if inspect.isclass(annotation) and issubclass(annotation, AbstractArray):
        return True
    return any(map(_has_shape, get_args(annotation)))
