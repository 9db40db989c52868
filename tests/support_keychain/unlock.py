#!/usr/bin/env python3
"""Unlocks the person's keyring of GNOME Keyring as its own dialog does; the password comes on the standard input."""

import sys

import dbus

bus = dbus.SessionBus()
service = bus.get_object("org.freedesktop.secrets", "/org/freedesktop/secrets")
_, session = service.OpenSession("plain", "", dbus_interface="org.freedesktop.Secret.Service")
password = dbus.ByteArray(sys.stdin.read().encode())
secret = dbus.Struct((session, dbus.ByteArray(b""), password, "text/plain"), signature="oayays")
service.UnlockWithMasterPassword(
    dbus.ObjectPath("/org/freedesktop/secrets/collection/login"),
    secret,
    dbus_interface="org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface",
)
