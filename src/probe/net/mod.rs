//! What network probes share: look-up of names, connecting, telling our own faults from the target's.
