"""A replacement for the gate's worker that ends on every document."""

import os
import signal
import socket
import sys

if __name__ == "__main__":
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.sendall(b"ready\n")
    connection.recv(65536)
    os.kill(os.getpid(), signal.SIGSEGV)
