# A client for QMTP and QMQP written from the protocols' descriptions alone: prints the answers, one a line.
# usage: qmail.py qmtp|qmqp PORT, and on standard input a JSON list of [encoding, message, sender, [recipient …]]

import json
import socket
import sys


def netstring(data):
    return str(len(data)).encode() + b":" + data + b","


def query(kind, encoding, message, sender, recipients):
    named = b"".join(netstring(each.encode("latin1")) for each in recipients)
    text, origin = message.encode("latin1"), netstring(sender.encode("latin1"))
    if kind == "qmqp":
        return netstring(netstring(text) + origin + named)
    return netstring(encoding.encode() + text) + origin + netstring(named)


def answers(stream):
    while True:
        digits = b""
        while not digits.endswith(b":"):
            byte = stream.read(1)
            if byte == b"":
                assert digits == b"", digits
                return
            digits += byte
        answer = stream.read(int(digits[:-1]))
        assert stream.read(1) == b","
        yield answer.decode("latin1")


kind, port = sys.argv[1], int(sys.argv[2])
connection = socket.create_connection(("127.0.0.1", port), 60)
for each in json.load(sys.stdin):
    connection.sendall(query(kind, *each))
if kind == "qmtp":
    connection.shutdown(socket.SHUT_WR)
for answer in answers(connection.makefile("rb")):
    print(answer)
