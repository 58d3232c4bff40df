# A real milter, by Debian's python3-milter on top of sendmail's libmilter: writes down what it is told, and does what the message asks for.
# usage: recorder.py SOCKET RECORD FLAGS     SOCKET as libmilter has it ("unix:/path", "inet:port@127.0.0.1"); FLAGS: "add", "change"

import json
import sys

import Milter

place, record, flags = sys.argv[1:4]


def write(*event):
    with open(record, "a", encoding="utf8") as out:
        out.write(json.dumps(event) + "\n")


class Recorder(Milter.Base):
    def __init__(self):
        self.order = ""
        self.size = 0
        self.tail = b""

    def negotiate(self, options):
        if "change" in flags:
            # in spite of what it was offered
            options[0] = Milter.CHGBODY
            return Milter.CONTINUE
        return Milter.Base.negotiate(self, options)

    def connect(self, name, family, address):
        self.note("connect", name, list(address) if address else None)
        self.note("macros", *[self.getsymval(name) for name in ("j", "{client_addr}", "{daemon_name}")])
        return Milter.CONTINUE

    def hello(self, name):
        self.note("helo", name)
        return Milter.CONTINUE

    def envfrom(self, sender, *parameters):
        self.note("mail", sender, *parameters)
        if sender == "<late@far.test>":
            return Milter.TEMPFAIL
        return Milter.CONTINUE

    def envrcpt(self, recipient, *parameters):
        self.note("rcpt", recipient, *parameters)
        if recipient == "<no@example.test>":
            return Milter.REJECT
        return Milter.CONTINUE

    def data(self):
        self.note("data")
        return Milter.CONTINUE

    def header(self, name, value):
        self.note("header", name, value)
        if name == "X-Order":
            self.order = value
        if name == "X-Accept":
            return Milter.ACCEPT
        return Milter.CONTINUE

    def eoh(self):
        self.note("eoh")
        return Milter.CONTINUE

    def body(self, chunk):
        self.size += len(chunk)
        self.tail = (self.tail + chunk)[-20:]
        return Milter.SKIP if self.order == "skip" else Milter.CONTINUE

    def eom(self):
        self.note("eom", self.size, self.tail.decode("latin1"), self.getsymval("i"))
        match self.order:
            case "add":
                self.addheader("X-Added", "one\n two")
                self.addheader("X-Inserted", "three", 0)
            case "reply":
                self.setreply("554", "5.7.9", "Not", "with 100%% me")
                return Milter.REJECT
            case "reject":
                return Milter.REJECT
            case "tempfail":
                return Milter.TEMPFAIL
            case "discard":
                return Milter.DISCARD
            case "quarantine":
                self.quarantine("looks odd")
            case "progress":
                self.progress()
            case "die":
                import os

                os._exit(1)
        return Milter.ACCEPT

    def close(self):
        self.note("close")
        return Milter.CONTINUE

    def note(self, *event):
        write(*event)


Milter.factory = Recorder
given = Milter.QUARANTINE
if "add" in flags:
    given |= Milter.ADDHDRS
if "change" in flags:
    given |= Milter.CHGBODY
Milter.set_flags(given)
Milter.runmilter("kenro-test", place, 60)
