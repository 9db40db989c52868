#!/usr/bin/env python3
"""A Secret Service that is not well: `hangs` never answers, `refuses` says no to everything."""

import sys
import time

import dbus
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


DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName(NAME, bus, do_not_queue=True)
if sys.argv[1] == "hangs":
    while True:
        time.sleep(3600)
service = Refusing(bus, "/org/freedesktop/secrets")
GLib.MainLoop().run()
