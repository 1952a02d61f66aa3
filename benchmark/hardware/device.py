"""Recognise the errors by which PyTorch says that a device has too little memory, or does not compute any more."""

import torch


def answers() -> bool:
    """Whether the GPU still works for this process. After some errors every further call fails until the process ends.

    Such are an address that is not allowed, an error of its memory, and a card that fell off its bus.
    """
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


def is_out_of_memory(error: Exception) -> bool:
    """Whether the device or the host had too little memory, by any of the errors of PyTorch for that.

    It may be the cause of the error: the compiler, and a CUDA graph that is left too early, raise errors of their own.
    """
    words = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in words):
        return True
    reason = error.__cause__ or error.__context__
    return isinstance(reason, Exception) and is_out_of_memory(reason)
