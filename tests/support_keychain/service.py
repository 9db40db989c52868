#!/usr/bin/env python3
"""A Secret Service of the tests: `hangs` never answers, `refuses` says no to everything. One with `asks` has a locked
keyring and a question of its own, and a person who is said by a word: `unlocks` and `dismisses` after a second, `never`
answers, and with `ends` the service itself is gone. It writes to standard output what happens to the question."""

import sys
import time

import dbus
import dbus.lowlevel
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = "org.freedesktop.secrets"


class Refused(dbus.DBusException):
    _dbus_error_name = "org.freedesktop.DBus.Error.AccessDenied"


class Refusing(dbus.service.Object):
    @dbus.service.method("org.freedesktop.Secret.Service", in_signature="s", out_signature="o")
    def ReadAlias(self, name):
        raise Refused("this application is not allowed here")

    @dbus.service.method("org.freedesktop.Secret.Service", in_signature="a{ss}", out_signature="aoao")
    def SearchItems(self, attributes):
        raise Refused("this application is not allowed here")

    @dbus.service.method("org.freedesktop.Secret.Service", in_signature="sv", out_signature="vo")
    def OpenSession(self, algorithm, question):
        raise Refused("this application is not allowed here")


class Asking(dbus.service.Object):
    """The service, its one keyring and its question at once."""

    locked = True
    SUPPORTS_MULTIPLE_OBJECT_PATHS = True

    @dbus.service.method("org.freedesktop.Secret.Service", in_signature="s", out_signature="o")
    def ReadAlias(self, name):
        return dbus.ObjectPath(KEYRING)

    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return dbus.Boolean(self.locked)

    @dbus.service.method("org.freedesktop.Secret.Service", in_signature="ao", out_signature="aoo")
    def Unlock(self, objects):
        assert list(objects) == [KEYRING], objects
        return dbus.Array([], signature="o"), dbus.ObjectPath(PROMPT)

    @dbus.service.method("org.freedesktop.Secret.Prompt", in_signature="s", out_signature="")
    def Prompt(self, window):
        print("asked", flush=True)
        if sys.argv[2] == "ends":
            GLib.timeout_add(1000, loop.quit)
        elif sys.argv[2] != "never":
            GLib.timeout_add(1000, self.answer, sys.argv[2] == "unlocks")

    def answer(self, is_unlocked):
        self.locked = not is_unlocked
        self.completed(not is_unlocked)

    @dbus.service.method("org.freedesktop.Secret.Prompt", in_signature="", out_signature="")
    def Dismiss(self):
        print("taken away", flush=True)
        self.answer(False)

    def completed(self, dismissed):
        signal = dbus.lowlevel.SignalMessage(PROMPT, "org.freedesktop.Secret.Prompt", "Completed")
        signal.append(dismissed, dbus.Array([], signature="o"), signature="bv")
        bus.send_message(signal)


KEYRING = "/org/freedesktop/secrets/collection/login"
PROMPT = "/org/freedesktop/secrets/prompt"
DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName(NAME, bus, do_not_queue=True)
if sys.argv[1] == "hangs":
    while True:
        time.sleep(3600)
loop = GLib.MainLoop()
if sys.argv[1] == "asks":
    service = Asking()
    for path in ("/org/freedesktop/secrets", KEYRING, PROMPT):
        service.add_to_connection(bus, path)
else:
    service = Refusing(bus, "/org/freedesktop/secrets")
loop.run()
