"""A look at every iteration of an ITK process, which takes its leave with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import SimpleITK as sitk


@contextmanager
def at_each_iteration(process: sitk.ProcessObject, look: Callable[[], object]) -> Iterator[None]:
    """Call a function at every iteration of an ITK process.

    A function that stops its process holds it, and the process holds the function, through C++
    where no garbage collector looks: both would stay for good, with all their images.

    Parameters
    ----------
    process : SimpleITK.ProcessObject
        A filter or a registration; it loses every command it has when the block ends.
    look : callable
        Called without arguments.

    Examples
    --------
    >>> import SimpleITK as sitk
    >>> steps = []
    >>> n4 = sitk.N4BiasFieldCorrectionImageFilter()
    >>> n4.SetMaximumNumberOfIterations([3])
    >>> image = sitk.GaussianSource(size=(16, 16, 16), mean=(8, 8, 8), scale=99) + 1
    >>> with at_each_iteration(n4, lambda: steps.append(n4.GetElapsedIterations())):
    ...     _ = n4.Execute(image)
    >>> len(steps) > 0
    True
    """
    process.AddCommand(sitk.sitkIterationEvent, look)
    try:
        yield
    finally:
        process.RemoveAllCommands()
