"""What Jupyter starts as a kernel: asks the fork server for the real one, passes signals on, and ends with it.

Run as a script without the package and without site-packages, so that it starts in hundredths of a second.
Arguments: the server's address, then those of `kernel.serve`.
"""

import os
import pickle
import signal
import socket
import struct
import sys


def main() -> None:
    """Ask, wait, end."""
    address, *arguments = sys.argv[1:]
    length = struct.Struct("!Q")  # as in `forks.Line`
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(f"\0{address}")
        file = connection.makefile("rwb")
        asked = pickle.dumps(("helpers.chain.kernel:serve", arguments, os.getcwd(), dict(os.environ), None))
        file.write(length.pack(len(asked)) + asked)
        file.flush()
        file.read(length.size)
        kernel = pickle.load(file)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda given, _: os.kill(kernel, given))
        file.read()  # nothing more comes; this ends when the kernel does


if __name__ == "__main__":
    main()
