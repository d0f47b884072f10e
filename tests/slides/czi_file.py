"""A CZI written byte by byte, as the format's description has it: pyramids in subblocks, scene by scene."""

import struct
from pathlib import Path

import numpy as np

BGR24, GRAY16 = 3, 1
PIXEL_BYTES = {BGR24: 3, GRAY16: 2}


def segment(name, data):
    size = -(-len(data) // 32) * 32
    return name.ljust(16, b"\0") + struct.pack("<qq", size, len(data)) + data.ljust(size, b"\0")


def entry(place, position, kind, pyramid):
    """A directory entry: where a subblock lies, and which pixels it has."""
    head = struct.pack("<2siqiiBxxxxxi", b"DV", kind, position, 0, 0, pyramid, len(place))
    return head + b"".join(struct.pack("<4siifi", name, at, size, 0.0, stored) for name, at, size, stored in place)


def write_czi(path: Path, scenes, *, um=0.25, downsamples=(1, 2), depth=None, channels=1, kind=BGR24, xml="") -> Path:
    """Write pictures as scenes of one plane.

    Args:
        scenes: Left edge, top edge and levels of each, the levels as arrays of RGB.
        depth: The number of planes, said by a dimension Z; None for none.
    """
    placed = []
    for number, (left, top, levels) in enumerate(scenes):
        for downsample, level in zip(downsamples, levels, strict=True):
            for channel in range(channels):
                for z in range(depth or 1):
                    height, width = level.shape[:2]
                    place = [
                        (b"X", left, width * downsample, width),
                        (b"Y", top, height * downsample, height),
                        (b"C", channel, 1, 1),
                        (b"S", number, 1, 1),
                    ]
                    place += [(b"Z", z, 1, 1)] if depth else []
                    data = np.ascontiguousarray(level[..., ::-1] if kind == BGR24 else level).tobytes()
                    placed.append((place, data, 0 if downsample == 1 else 2))
    sizes = [(max(n for _, at, width, _ in [place[i]] for n in [at + width])) for place, _, _ in placed for i in (0, 1)]
    first = [min(place[i][1] for place, _, _ in placed) for i in (0, 1)]
    names = "".join(f'<Channel Id="Channel:{i}"/>' for i in range(channels))
    scaling = "".join(f'<Distance Id="{axis}"><Value>{um * 1e-6}</Value></Distance>' for axis in "XY") if um else ""
    text = (
        '<?xml version="1.0"?><ImageDocument><Metadata><Information><Image>'
        f"<SizeX>{max(sizes[0::2]) - first[0]}</SizeX><SizeY>{max(sizes[1::2]) - first[1]}</SizeY>"
        f"<SizeS>{len(scenes)}</SizeS><Dimensions><Channels>{names}</Channels></Dimensions></Image></Information>"
        f"<Scaling><Items>{scaling}</Items></Scaling>{xml}</Metadata></ImageDocument>"
    ).encode()
    begin = 32 + 512
    blocks, entries = b"", b""
    for place, data, pyramid in placed:
        own = entry(place, begin + len(blocks), kind, pyramid)
        head = struct.pack("<iiq", 0, 0, len(data)) + own
        blocks += segment(b"ZISRAWSUBBLOCK", head.ljust(256, b"\0") + data)
        entries += own
    at_metadata = begin + len(blocks)
    metadata = segment(b"ZISRAWMETADATA", struct.pack("<ii", len(text), 0).ljust(256, b"\0") + text)
    directory = segment(b"ZISRAWDIRECTORY", struct.pack("<i", len(placed)).ljust(128, b"\0") + entries)
    at_directory = at_metadata + len(metadata)
    attachments = segment(b"ZISRAWATTDIR", bytes(256))
    told = (1, 0, 0, 0, bytes(16), bytes(16), 0, at_directory, at_metadata, 0, at_directory + len(directory))
    head = struct.pack("<iiii16s16siqqiq", *told).ljust(512, b"\0")
    path.write_bytes(segment(b"ZISRAWFILE", head) + blocks + metadata + directory + attachments)
    return path
