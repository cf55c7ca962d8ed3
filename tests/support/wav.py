"""Sound files as Asterisk writes them."""

import struct


def wav_header(data: int, *, riff: bytes = b"RIFF", extra: bytes = b"") -> bytes:
    """A wav header as Asterisk writes it: 8 kHz, 16 bits, one channel."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    return (
        riff + struct.pack("<I", (data + 36) & 0xFFFFFFFF) + b"WAVE" + fmt + extra + b"data" + struct.pack("<I", data)
    )
