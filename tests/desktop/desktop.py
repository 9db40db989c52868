#!/usr/bin/env python3
"""The desktop that the app finds: a host for tray icons and a daemon for notices, on the session bus.

Commands come as lines of JSON on the standard input, `{"id": 1, "do": "tray"}`, and are answered on the standard
output, `{"id": 1, "ok": ...}` or `{"id": 1, "error": "..."}`. What happens by itself is told as `{"event": ...}`.
"""

import hashlib
import json
import os
import sys
import time

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
NOTICES = "org.freedesktop.Notifications"
MENU = "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"


def say(**line):
    print(json.dumps(line), flush=True)


class Watcher(dbus.service.Object):
    """Where icons announce themselves."""

    def __init__(self, bus):
        super().__init__(bus, "/StatusNotifierWatcher")
        self.items = []

    @dbus.service.method(WATCHER, in_signature="s", sender_keyword="sender")
    def RegisterStatusNotifierItem(self, service, sender=None):
        name, path = (sender, service) if service.startswith("/") else (service, "/StatusNotifierItem")
        self.items.append((name, path))
        say(event="item", name=name)
        self.StatusNotifierItemRegistered(name)

    @dbus.service.method(WATCHER, in_signature="s")
    def RegisterStatusNotifierHost(self, service):
        pass

    @dbus.service.signal(WATCHER, signature="s")
    def StatusNotifierItemRegistered(self, service):
        pass

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return {
            "IsStatusNotifierHostRegistered": True,
            "ProtocolVersion": dbus.Int32(0),
            "RegisteredStatusNotifierItems": dbus.Array([name for name, _ in self.items], signature="s"),
        }


class Notices(dbus.service.Object):
    """A daemon that shows nothing and remembers everything."""

    def __init__(self, bus):
        super().__init__(bus, "/org/freedesktop/Notifications")
        self.last = 0

    @dbus.service.method(NOTICES, out_signature="as")
    def GetCapabilities(self):
        return ["actions", "body", "body-markup"]

    @dbus.service.method(NOTICES, out_signature="ssss")
    def GetServerInformation(self):
        return ("desktop of the tests", "Hall Monitor", "1", "1.2")

    @dbus.service.method(NOTICES, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, summary, body, actions, hints, timeout):
        self.last += 1
        say(event="notice", notice=self.last, app=app, title=summary, text=body, actions=list(map(str, actions)),
            urgency=int(hints["urgency"]) if "urgency" in hints else None, timeout=int(timeout), at=time.time())
        return self.last

    @dbus.service.method(NOTICES, in_signature="u")
    def CloseNotification(self, notice):
        self.NotificationClosed(notice, 3)

    @dbus.service.signal(NOTICES, signature="us")
    def ActionInvoked(self, notice, action):
        pass

    @dbus.service.signal(NOTICES, signature="uu")
    def NotificationClosed(self, notice, reason):
        pass


def plain(label):
    """A label without the marks of its key."""
    return label.replace("__", "\0").replace("_", "").replace("\0", "_")


class Desktop:
    def __init__(self):
        self.bus = dbus.SessionBus()
        self.watcher = Watcher(self.bus)
        self.notices = Notices(self.bus)
        self.names = {}
        self.unread = b""
        self.own(NOTICES)

    def own(self, name):
        if name not in self.names:
            self.names[name] = dbus.service.BusName(name, self.bus, do_not_queue=True)

    def do_watcher(self, there):
        if there:
            self.own(WATCHER)
        else:
            self.watcher.items.clear()
            self.names.pop(WATCHER, None)

    def item(self):
        for name, path in reversed(self.watcher.items):
            if self.bus.name_has_owner(name):
                return self.bus.get_object(name, path)
        raise LookupError("no icon is in the tray")

    def do_tray(self):
        item = self.item()
        has = item.GetAll(ITEM, dbus_interface=PROPERTIES, timeout=10)
        pixels = hashlib.sha256()
        for width, height, data in has.get("IconPixmap", []):
            pixels.update(b"%d %d " % (width, height) + bytes(data))
        tip = has.get("ToolTip", ("", [], "", ""))
        return {
            "title": str(has.get("Title", "")),
            "tooltip": [str(tip[2]), str(tip[3])],
            "status": str(has.get("Status", "")),
            "icon": pixels.hexdigest()[:16],
            "menu": self.entries(self.menu()),
        }

    def menu(self):
        item = self.item()
        path = item.Get(ITEM, "Menu", dbus_interface=PROPERTIES, timeout=10)
        return dbus.Interface(self.bus.get_object(item.bus_name, path), MENU)

    def layout(self, menu):
        return menu.GetLayout(0, -1, dbus.Array([], signature="s"), timeout=10)[1]

    def entries(self, menu):
        def read(node):
            _, has, below = node
            if has.get("type") == "separator":
                return None
            entry = {"label": plain(str(has.get("label", "")))}
            if below:
                entry["items"] = [read(each) for each in below]
            return entry
        return [read(node) for node in self.layout(menu)[2]]

    def do_press(self, path):
        menu = self.menu()
        _, _, below = self.layout(menu)
        for step, wanted in enumerate(path):
            found = [node for node in below if plain(str(node[1].get("label", ""))).startswith(wanted)]
            if not found:
                raise LookupError(f"no item {wanted!r} in {[str(node[1].get('label', '')) for node in below]}")
            number, _, below = found[0]
            if step == len(path) - 1:
                menu.Event(number, "clicked", dbus.Int32(0, variant_level=1), dbus.UInt32(0), timeout=10)

    def do_activate(self):
        self.item().Activate(0, 0, dbus_interface=ITEM, timeout=10)

    def do_click(self, notice):
        self.notices.ActionInvoked(notice, "default")
        self.notices.NotificationClosed(notice, 2)

    def hear(self, source, condition):
        read = os.read(source, 65536)
        if not read:
            loop.quit()
            return False
        *lines, self.unread = (self.unread + read).split(b"\n")
        for line in lines:
            self.obey(json.loads(line))
        return True

    def obey(self, order):
        number = order.pop("id")
        try:
            say(id=number, ok=getattr(self, f"do_{order.pop('do')}")(**order))
        except Exception as error:
            say(id=number, error=f"{type(error).__name__}: {error}")


DBusGMainLoop(set_as_default=True)
loop = GLib.MainLoop()
desktop = Desktop()
GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, desktop.hear)
say(event="ready")
loop.run()
