//! Where groups and monitors stand in a file.

use super::meaning::Meaning;
use super::spans::Item;

/// The sections that have groups: where they belong, and where HallMonitor's own example put them.
pub(super) const SECTIONS: [&str; 2] = ["monitoring", "storage"];

/// A group: which section, and which item of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupPlace {
    pub(super) section: &'static str,
    pub(super) group: usize,
}

/// A monitor of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) group: GroupPlace,
    pub(super) monitor: usize,
}

impl GroupPlace {
    pub(super) fn meaning(self, root: &Meaning) -> Option<&Meaning> {
        root.get(self.section)?.get("groups")?.items().get(self.group)
    }

    pub(super) fn meaning_mut(self, root: &mut Meaning) -> Option<&mut Meaning> {
        root.get_mut(self.section)?.get_mut("groups")?.items_mut()?.get_mut(self.group)
    }

    pub(super) fn item(self, root: &Item) -> Option<&Item> {
        root.pair(self.section)?.value.pair("groups")?.value.items().get(self.group)
    }
}

impl Place {
    pub(super) fn meaning(self, root: &Meaning) -> Option<&Meaning> {
        self.group.meaning(root)?.get("monitors")?.items().get(self.monitor)
    }

    pub(super) fn item(self, root: &Item) -> Option<&Item> {
        self.group.item(root)?.pair("monitors")?.value.items().get(self.monitor)
    }

    /// Takes the monitor out.
    pub(super) fn take(self, root: &mut Meaning) -> Option<Meaning> {
        let monitors = self.group.meaning_mut(root)?.get_mut("monitors")?.items_mut()?;
        (self.monitor < monitors.len()).then(|| monitors.remove(self.monitor))
    }
}

/// Every group with its name, in the order in which they are read.
pub(super) fn groups(root: &Meaning) -> impl Iterator<Item = (GroupPlace, &str, &Meaning)> {
    SECTIONS.into_iter().flat_map(move |section| {
        let groups = root.get(section).and_then(|section| section.get("groups")).map_or(&[][..], Meaning::items);
        groups.iter().enumerate().map(move |(group, meaning)| {
            let name = meaning.get("name").and_then(Meaning::text).unwrap_or_default();
            (GroupPlace { section, group }, name, meaning)
        })
    })
}

/// Every monitor with the name of its group.
pub(super) fn monitors(root: &Meaning) -> impl Iterator<Item = (Place, &str, &Meaning)> {
    groups(root).flat_map(|(group, name, meaning)| {
        let monitors = meaning.get("monitors").map_or(&[][..], Meaning::items);
        monitors.iter().enumerate().map(move |(monitor, meaning)| (Place { group, monitor }, name, meaning))
    })
}
