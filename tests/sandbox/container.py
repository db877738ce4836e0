"""What answers behind a forwarded port: one HTTP request on stdin, an answer on stdout that says who was reached.

kwok starts it for each connection, in the place of a container: `container.py CLUSTER PORT`. It needs nothing but
Python, so that it begins at once.
"""

import sys


def main() -> None:
    cluster, port = sys.argv[1:]
    request, answer = sys.stdin.buffer, sys.stdout.buffer
    first = request.readline()
    while request.readline().strip():
        pass
    path = first.split()[1].decode(errors="replace") if len(first.split()) > 1 else ""
    body = f"{cluster} {port} {path}\n".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    answer.write(head.encode() + body)
    answer.flush()


main()
